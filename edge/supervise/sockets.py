"""Bind the sockets that outlive the workers.  [I/O]

TCP_NODELAY is set on the listener, because accepted sockets inherit it: a TLS
server that leaves Nagle on makes the first answer of each connection wait 40 ms
for the phone's delayed acknowledgement of the session tickets.
"""

import contextlib
import os
import socket
from pathlib import Path

from edge.common.errors import ConfigError
from edge.supervise.formation import Listen, Spec

_DNS_KEYS = ("udp", "tcp", "inner-udp", "inner-tcp")


def bind_all(specs: tuple[Spec, ...], run_dir: Path) -> dict[Listen, socket.socket]:
    """One socket for each distinct `Listen`.

    Raises `ConfigError` naming every address that cannot be bound; nothing
    stays open then.
    """
    bound: dict[Listen, socket.socket] = {}
    problems: list[str] = []
    for listen in dict.fromkeys(listen for spec in specs for listen in spec.listen):
        try:
            bound[listen] = bind(listen, run_dir, _port_of_sibling(listen, bound))
        except OSError as error:
            where = listen.host if listen.kind == "unix" else f"{listen.host}:{listen.port}"
            problems.append(f"cannot listen on {where} ({listen.kind}): {error.strerror}")
    if problems:
        for opened in bound.values():
            opened.close()
        raise ConfigError(problems)
    return bound


def addresses(bound: dict[Listen, socket.socket], spec: Spec) -> dict[str, str]:
    """Where `spec` really listens: `{"https": "127.0.1.1:8443"}`."""
    found = {}
    for listen in spec.listen:
        if listen.kind != "unix":
            host, port = bound[listen].getsockname()[:2]
            found[listen.key] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return found


def _port_of_sibling(listen: Listen, bound: dict[Listen, socket.socket]) -> int:
    # DNS answers on one port over UDP and TCP; with port 0 the second follows the first.
    if listen.port or listen.key not in _DNS_KEYS:
        return listen.port
    mine = (listen.host, listen.tag)
    for other, opened in bound.items():
        if other.key in _DNS_KEYS and (other.host, other.tag) == mine and other.kind != listen.kind:
            port: int = opened.getsockname()[1]
            return port
    return 0


def bind(listen: Listen, run_dir: Path, port: int) -> socket.socket:
    """One listening (or, for UDP, bound) non-blocking socket.  Raises `OSError`."""
    if listen.kind == "unix":
        return _bind_unix(run_dir / listen.host, listen.backlog)
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    kind = socket.SOCK_STREAM if listen.kind == "tcp" else socket.SOCK_DGRAM
    opened = socket.socket(family, kind)
    try:
        if listen.kind == "tcp":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.bind((listen.host, port))
        if listen.kind == "tcp":
            opened.listen(listen.backlog)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _bind_unix(path: Path, backlog: int) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A file left by an edge that was killed is nobody's; a live edge is found
        # by the preflight check before we come here.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        opened.bind(str(path))
        os.chmod(path, 0o600)
        opened.listen(backlog)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened
