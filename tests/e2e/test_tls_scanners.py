"""What scanners say of the running edge: nothing but that they do not know its CA.

sslyze (PyPI, in an environment of its own) is found as `sslyze` or by EDGE_SSLYZE;
testssl.sh is Debian's `testssl`.
"""

import csv
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.edges import Edge, running_edge

pytestmark = [pytest.mark.e2e]

SSLYZE = os.environ.get("EDGE_SSLYZE") or shutil.which("sslyze")
TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
# All but the simulation of some forty browsers, which takes longer than everything else together.
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-U")
# A private CA (chain, and what a public one would have to publish), and a difference of opinion:
# Mozilla's intermediate profile leaves the order of ciphers to the phone, testssl.sh wants ours.
TESTSSL_KNOWS_BETTER = {"cert_chain_of_trust", "cert_revocation", "DNS_CAArecord", "cipher_order"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One for all scanners."""
    # Scanners open hundreds of connections from one address.
    settings = {"EDGE__L4__ADMISSION__SOURCE_RATE_PER_S": "5000"}
    with running_edge(tmp_path_factory.mktemp("scanned"), settings) as running:
        yield running


@pytest.mark.parametrize(
    ("curve", "spoken"),
    [("X25519", True), ("prime256v1", True), ("secp384r1", True), ("secp521r1", False), ("X448", False)],
)
def test_only_the_recommended_curves_are_spoken(edge: Edge, curve: str, spoken: bool) -> None:
    """P-521 costs a server twenty times what X25519 does: an offer to be kept busy."""
    host, port = edge.address("l4-mumbai-a")

    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-groups", curve],
        input=b"",
        capture_output=True,
        timeout=20,
        check=False,
    )

    assert (b"Server Temp Key" in done.stdout) is spoken, done.stdout + done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_a_failed_handshake_says_why(edge: Edge, version: ssl.TLSVersion) -> None:
    """Its alert arrives: "unexpected EOF" would leave everybody guessing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    with (
        socket.create_connection(edge.address("l4-mumbai-a"), 10) as plain,
        pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"),
    ):
        context.wrap_socket(plain)


@pytest.mark.tool
@pytest.mark.skipif(SSLYZE is None, reason="sslyze is not installed")
def test_sslyze_finds_mozillas_intermediate_profile(edge: Edge, tmp_path: Path) -> None:
    """It is told to trust our CA, and then has nothing to say."""
    assert SSLYZE is not None
    host, port = edge.address("l4-mumbai-a")

    done = subprocess.run(
        [
            SSLYZE,
            f"i.edge.test:{port}{{{host}}}",
            "--mozilla_config=intermediate",
            f"--certinfo_ca_file={edge.run_dir / 'ca.pem'}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    verdict = done.stdout.partition("COMPLIANCE AGAINST")[2]
    assert done.returncode == 0, verdict or done.stdout + done.stderr


@pytest.mark.tool
@pytest.mark.skipif(TESTSSL is None, reason="testssl.sh is not installed")
def test_testssl_finds_nothing_but_the_private_ca(edge: Edge, tmp_path: Path) -> None:
    """Protocols, ciphers, forward secrecy, preferences, defaults, and every named vulnerability."""
    assert TESTSSL is not None
    host, port = edge.address("l4-mumbai-a")
    report = tmp_path / "report.csv"

    subprocess.run(
        [
            TESTSSL,
            "--quiet",
            "--color",
            "0",
            *CHECKS,
            "--ip",
            host,
            "--csvfile",
            str(report),
            f"i.edge.test:{port}",
        ],
        capture_output=True,
        timeout=500,
        check=False,
    )

    rows = list(csv.DictReader(report.open()))
    said = {
        f"{row['severity']} {row['id']}: {row['finding']}": row["id"].split(" ")[0]
        for row in rows
        if row["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")
    }
    print("\n".join(said))
    bad = [finding for finding, about in said.items() if about not in TESTSSL_KNOWS_BETTER]
    assert len(rows) > 80, "it has looked"
    assert bad == []
