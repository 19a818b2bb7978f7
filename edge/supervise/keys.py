"""Make the keys and certificates of this edge, once.  [I/O]

A private CA for the phones to trust (`run/ca.pem`), a server certificate for
the POPs, one for control links from other hosts, and the Ed25519 pair with
which `login` signs session cookies, and the secret behind the cookies that bind a
phone to an endpoint.  Private keys are 0600 in a 0700 directory;
L7 needs the server's key, the secret, and the public half of the session key.

Several supervisors start at the same moment, so the work is done under a file
lock, and what is there already is kept.
"""

import datetime
import fcntl
import ipaddress
import secrets
from pathlib import Path
from typing import Any

from edge.common.config import Config
from edge.common.control_tls import CONTROL_NAME
from edge.common.run_files import private_directory, write_atomically

CA_DAYS = 3650
# Below the 200 days that public CAs may give since March 2026 (CA/Browser Forum, ballot SC-081v3),
# so that a scanner has nothing to say; renewed a month ahead.
SERVER_DAYS = 199
RENEW_DAYS_AHEAD = 30
SESSION_KID = "1"
# Half of what BLAKE2b takes as a key, and as much as anybody could ever search.
AFFINITY_KEY_BYTES = 32


def ensure_keys(run_dir: Path, config: Config) -> list[str]:
    """Make what is missing or does not fit `config`; returns what was made."""
    keys = private_directory(private_directory(run_dir) / "keys")
    with open(keys / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _make_missing(run_dir, keys, config)


def _make_missing(run_dir: Path, keys: Path, config: Config) -> list[str]:
    made = []
    names = {config.domain, f"*.{config.domain.split('.', 1)[-1]}", "localhost"}
    hosts = {pop.address for pop in config.pop} | {"127.0.0.1"}
    fits = f"{sorted(names)} {sorted(hosts)}"
    if not (keys / "ca.key").exists() or not (run_dir / "ca.pem").exists():
        _make_ca(run_dir, keys)
        made.append("certificate authority")
    new_authority = bool(made)
    if new_authority or not _server_fits(keys, fits):
        _make_server(run_dir, names, hosts)
        write_atomically(keys / "edge.names", fits.encode())
        made.append("server certificate")
    if new_authority or not (keys / "control.pem").exists():
        _make_control(run_dir)
        made.append("control certificate")
    if not (keys / f"session-{SESSION_KID}.pem").exists():
        make_session_key(keys, SESSION_KID)
        made.append("session key")
    if not (keys / "affinity.key").exists():
        write_atomically(keys / "affinity.key", secrets.token_bytes(AFFINITY_KEY_BYTES))
        made.append("affinity key")
    return made


def make_session_key(keys: Path, kid: str) -> None:
    """An Ed25519 pair: `session-<kid>.pem` for login, `session-<kid>.pub.pem` for L7."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_atomically(keys / f"session-{kid}.pub.pem", public, 0o644)
    write_atomically(keys / f"session-{kid}.pem", _private_pem(key))


def _server_fits(keys: Path, fits: str) -> bool:
    from_file, certificate = keys / "edge.names", keys / "edge.pem"
    if not certificate.exists() or not from_file.exists() or from_file.read_text() != fits:
        return False
    from cryptography import x509

    expiry = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return expiry - _now() > datetime.timedelta(days=RENEW_DAYS_AHEAD)


def _make_ca(run_dir: Path, keys: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Edge lab CA")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(minutes=5))
        .not_valid_after(_now() + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(keys / "ca.key", _private_pem(key))
    write_atomically(run_dir / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_leaf(run_dir: Path, stem: str, alternatives: list[Any], usages: list[Any]) -> None:
    """`keys/<stem>.pem` and `.key`, signed by our CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    keys = run_dir / "keys"
    authority = x509.load_pem_x509_certificate((run_dir / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((keys / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"edge {stem}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(minutes=5))
        .not_valid_after(_now() + datetime.timedelta(days=SERVER_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    # Key first: a worker that reloads in between finds a pair that does not fit and
    # keeps the old one, instead of a certificate whose key is gone.
    write_atomically(keys / f"{stem}.key", _private_pem(key))
    write_atomically(keys / f"{stem}.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _make_server(run_dir: Path, names: set[str], hosts: set[str]) -> None:
    from cryptography import x509

    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(host)) for host in sorted(hosts)]
    _make_leaf(run_dir, "edge", alternatives, [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])


def _make_control(run_dir: Path) -> None:
    from cryptography import x509

    both = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    _make_leaf(run_dir, "control", [x509.DNSName(CONTROL_NAME)], both)


def _private_pem(key: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
