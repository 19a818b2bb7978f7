"""Sign certificates: an authority, and what it vouches for.  [I/O]

Elliptic keys only (P-256): quick to make and to use, and every phone knows them.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.common.run_files import write_atomically

if TYPE_CHECKING:
    from cryptography import x509

CA_DAYS = 3650


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        """Are both there?"""
        return self.certificate.exists() and self.key.exists()


def make_authority(pair: Pair, name: str) -> None:
    """A private CA that may sign leaves and no further CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
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
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(minutes=5))
        .not_valid_after(_now() + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(pair.key, private_pem(key))
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def make_leaf(
    pair: Pair,
    authority: Pair,
    name: str,
    alternatives: Sequence["x509.GeneralName"],
    usages: Sequence["x509.ObjectIdentifier"],
    days: int,
) -> None:
    """A certificate for `name` and its `alternatives`, signed by `authority`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    signer = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(minutes=5))
        .not_valid_after(_now() + datetime.timedelta(days=days))
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
    write_atomically(pair.key, private_pem(key))
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def days_left(certificate: Path) -> float:
    """How long `certificate` is still good."""
    from cryptography import x509

    expiry = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (expiry - _now()) / datetime.timedelta(days=1)


def private_pem(key: object) -> bytes:
    """A private key as it stands on disk: unencrypted, for the file's mode to guard."""
    from cryptography.hazmat.primitives import serialization

    pem: bytes = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem


def _named(name: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
