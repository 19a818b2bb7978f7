"""Certificates by name, reloads that nobody notices, and tickets that every worker takes."""

import os
import socket
import ssl
from pathlib import Path
from shutil import copy, copytree

import pytest

from edge.l7 import tls
from edge.l7.tls import Certificates, TlsError
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import toy_config


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with an authority and a server certificate."""
    directory = tmp_path_factory.mktemp("run")
    ensure_keys(directory, toy_config("127.0.0.1:1"))
    return directory


def _client(run_dir: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(run_dir / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    return context


def _in_a_worker(server: socket.socket) -> int:
    """Fork a worker that takes one connection on `server`, greets and ends; returns its pid."""
    pid = os.fork()
    if pid:
        server.close()
        return pid
    status = 1
    try:
        with tls.ROOT.wrap_socket(server, server_side=True) as connection:
            connection.sendall(b"resumed" if connection.session_reused else b"new")
            connection.recv(1)
        status = 0
    finally:
        os._exit(status)


def _greeting(client: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
    ours, theirs = socket.socketpair()
    pid = _in_a_worker(theirs)
    with client.wrap_socket(ours, server_hostname="i.edge.test", session=session) as connection:
        greeting = connection.recv(100)
        session = connection.session
        connection.sendall(b".")
    os.waitpid(pid, 0)
    return greeting, session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_of_one_worker_resumes_at_another(keys: Path, version: ssl.TLSVersion) -> None:
    """Workers are forked from one parent and so share the keys of its context; L4 may choose freely."""
    Certificates(keys)
    client = _client(keys, version)

    first, session = _greeting(client, None)
    second, _ = _greeting(client, session)

    assert (first, second) == (b"new", b"resumed")


def test_a_reload_keeps_the_ticket_keys(keys: Path) -> None:
    """A new certificate is no reason to make every phone shake hands in full."""
    certificates = Certificates(keys)
    client = _client(keys)
    _, session = _greeting(client, None)

    certificates.reload()

    assert _greeting(client, session)[0] == b"resumed"


def test_a_certificate_is_chosen_by_name(keys: Path, tmp_path: Path) -> None:
    """SNI: a host of its own, a wildcard, and everybody's."""
    copytree(keys, tmp_path, dirs_exist_ok=True)
    for stem in ("shop.test", "_.fan.test"):
        copy(tmp_path / "keys" / "edge.pem", tmp_path / "keys" / f"{stem}.pem")
        copy(tmp_path / "keys" / "edge.key", tmp_path / "keys" / f"{stem}.key")

    certificates = Certificates(tmp_path)

    assert certificates.name_choice("SHOP.test") is not tls.ROOT
    assert certificates.name_choice("a.fan.test") is not tls.ROOT
    assert certificates.name_choice("a.fan.test") is not certificates.name_choice("shop.test")
    assert certificates.name_choice("other.test") is tls.ROOT
    assert certificates.name_choice("a.b.fan.test") is tls.ROOT, "a wildcard is one label (RFC 9525)"


def test_a_key_that_does_not_fit_is_refused_and_the_old_pair_stays(keys: Path, tmp_path: Path) -> None:
    """A renewal gone wrong must not take the edge down."""
    copytree(keys, tmp_path, dirs_exist_ok=True)
    certificates = Certificates(tmp_path)
    copy(tmp_path / "keys" / "ca.key", tmp_path / "keys" / "edge.key")

    with pytest.raises(TlsError):
        certificates.reload()

    assert _greeting(_client(tmp_path), None)[0] == b"new"


def test_another_pair_that_is_broken_is_left_out_and_named(keys: Path, tmp_path: Path) -> None:
    """One customer's mistake is not everybody's."""
    copytree(keys, tmp_path, dirs_exist_ok=True)
    (tmp_path / "keys" / "shop.test.pem").write_text("nonsense")
    (tmp_path / "keys" / "shop.test.key").write_text("nonsense")

    certificates = Certificates(tmp_path)

    assert certificates.name_choice("shop.test") is tls.ROOT
    assert "shop.test" in certificates.problems[0]


def test_only_what_mozilla_calls_intermediate_is_spoken() -> None:
    """TLS 1.2 with forward secret AEAD suites and TLS 1.3; Python's default has two CBC suites besides."""
    names = {cipher["name"] for cipher in tls.ROOT.get_ciphers()}

    assert tls.ROOT.minimum_version == ssl.TLSVersion.TLSv1_2
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
    assert tls.ROOT.options & ssl.OP_ENABLE_MIDDLEBOX_COMPAT
    assert tls.ROOT.options & ssl.OP_NO_RENEGOTIATION
