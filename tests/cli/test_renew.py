"""Keys and certificates from the command line."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from edge.cli.app import build
from edge.cli.hub import CommandRefused
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import toy_config


def test_a_caller_gets_a_certificate_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by the callers' authority, for clients only, with a key that nobody else can read."""
    ensure_keys(tmp_path, toy_config("127.0.0.1:1"))
    monkeypatch.setenv("EDGE_RUN_DIR", str(tmp_path))

    build()(["issue-caller", "reports", "--days", "7"], result_action="return_value")

    made = tmp_path / "callers"
    certificate = x509.load_pem_x509_certificate((made / "reports.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "keys" / "callers-ca.pem").read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    certificate.verify_directly_issued_by(authority)
    assert certificate.subject.rfc4514_string() == "CN=reports"
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 7
    assert stat.S_IMODE((made / "reports.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "why"), [("../x", "is no name for a caller"), ("reports", "callers-ca.pem is not there")]
)
def test_what_cannot_be_issued_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    """A name that is a path, and an edge that has no keys yet."""
    monkeypatch.setenv("EDGE_RUN_DIR", str(tmp_path))

    with pytest.raises(CommandRefused, match=why):
        build()(["issue-caller", name], result_action="return_value")
