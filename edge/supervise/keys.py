"""Make the keys and certificates of this edge, once.  [I/O]

A private CA for the phones to trust (`run/ca.pem`), a server certificate for
the POPs, one for control links from other hosts, the Ed25519 pair with
which `login` signs session cookies, and the secret behind the cookies that bind a
phone to an endpoint.  Internal callers have a CA of their own, so that no
certificate that was given out for anything else opens a route to them.  Private
keys are 0600 in a 0700 directory; L7 needs the server's key, the secret, and the
public half of the session key.

Several supervisors start at the same moment, so the work is done under a file
lock, and what is there already is kept.
"""

import fcntl
import ipaddress
import secrets
from pathlib import Path

from edge.common.config import Config
from edge.common.control_tls import CONTROL_NAME
from edge.common.run_files import private_directory, write_atomically
from edge.supervise.certificates import Pair, days_left, make_authority, make_leaf, private_pem

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
    authority = Pair(run_dir / "ca.pem", keys / "ca.key")
    if not authority.exists():
        make_authority(authority, "Edge lab CA")
        made.append("certificate authority")
    new_authority = bool(made)
    if new_authority or not _server_fits(keys, fits):
        _make_server(keys, authority, names, hosts)
        write_atomically(keys / "edge.names", fits.encode())
        made.append("server certificate")
    if new_authority or not (keys / "control.pem").exists():
        _make_control(keys, authority)
        made.append("control certificate")
    if not (keys / "callers-ca.pem").exists():
        # A CA of one's own in this place needs no key here.
        make_authority(_callers_authority(run_dir), "Edge lab callers CA")
        made.append("callers' certificate authority")
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
    write_atomically(keys / f"session-{kid}.pem", private_pem(key))


def issue_caller(run_dir: Path, name: str, directory: Path, days: int) -> Pair:
    """A client certificate by which an internal caller proves that it is `name`.

    Raises `FileNotFoundError` where the callers' authority, or its key, is not here.
    """
    from cryptography import x509

    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    usages = [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    make_leaf(pair, _callers_authority(run_dir), name, [x509.DNSName(name)], usages, days)
    return pair


def _callers_authority(run_dir: Path) -> Pair:
    return Pair(run_dir / "keys" / "callers-ca.pem", run_dir / "keys" / "callers-ca.key")


def _server_fits(keys: Path, fits: str) -> bool:
    from_file, certificate = keys / "edge.names", keys / "edge.pem"
    if not certificate.exists() or not from_file.exists() or from_file.read_text() != fits:
        return False
    return days_left(certificate) > RENEW_DAYS_AHEAD


def _make_server(keys: Path, authority: Pair, names: set[str], hosts: set[str]) -> None:
    from cryptography import x509

    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(host)) for host in sorted(hosts)]
    usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    pair = Pair(keys / "edge.pem", keys / "edge.key")
    make_leaf(pair, authority, "edge edge", alternatives, usages, SERVER_DAYS)


def _make_control(keys: Path, authority: Pair) -> None:
    from cryptography import x509

    both = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    pair = Pair(keys / "control.pem", keys / "control.key")
    make_leaf(pair, authority, "edge control", [x509.DNSName(CONTROL_NAME)], both, SERVER_DAYS)
