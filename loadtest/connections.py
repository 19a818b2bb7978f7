"""How a phone under Locust connects: our DNS, our CA, its own city's address.  [I/O]

geventhttpclient asks the system's resolver and builds a TLS context for every
pool, which costs 41 ms of CPU each for reading certificates that we do not
trust anyway.  Both are replaced here, without touching anything global:

- `trusting(ca)` returns a factory that takes `cafile=`, as the pool calls it, and
  hands out one context for all phones;
- a `PhonePool` calls whom the phone's own resolver names.

A phone binds its city's loopback address (127.16.n.1), so that L4 and L7 see as
many sources as there are cities.  Where a system has only 127.0.0.1, the bind is
left out and the edge sees one.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent.socket as socket
import gevent.ssl
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.connectionpool import SSLConnectionPool
from geventhttpclient.url import URL

from loadtest.resolver import Resolver

HTTPS_PORT = 443  # RFC 9110 section 4.2.2, for a URL that names none
ContextFactory = Callable[..., ssl.SSLContext]


def trusting(ca: str) -> ContextFactory:
    """A factory of the one context that trusts `ca` and nobody else."""
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=ca)

    def shared(cafile: str | None = None) -> ssl.SSLContext:
        # The pool proposes certifi's file; what we trust is already loaded.
        return context

    return shared


@dataclass(frozen=True, slots=True)
class Line:
    """How one phone reaches the edge."""

    resolver: Resolver
    port_of: Callable[[str], int]
    source: str
    connected: Callable[[str], None]  # hears of every new connection to a POP's address


class PhonePool(SSLConnectionPool):
    """The connections of one phone to one host."""

    def __init__(self, line: Line, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, host, port, **options)
        self._line = line

    def _resolve(self) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, self._line.port_of(address)),
            )
            for address in self._line.resolver.addresses()
        ]

    def _create_socket(self) -> Any:
        try:
            return super()._create_socket()
        except OSError:
            # Nothing was sent yet, so trying once more is safe; the addresses that failed
            # have been forgotten, and DNS may know better by now.
            return super()._create_socket()

    def _create_tcp_socket(self, family: int, socktype: int, protocol: int) -> Any:
        opened = super()._create_tcp_socket(family, socktype, protocol)
        try:
            opened.bind((self._line.source, 0))
        except OSError:
            pass  # no such loopback address on this system
        return opened

    def _connect_socket(self, sock: Any, address: Any) -> Any:
        book = self._line.resolver.book
        try:
            connection = super()._connect_socket(sock, address)
        except OSError:
            book.forget(address[0])
            raise
        book.worked(address[0])
        self._line.connected(address[0])
        return connection


class PhoneClients(HTTPClientPool):
    """One phone's HTTP clients, one for each host."""

    def __init__(self, line: Line, trust: ContextFactory, **options: Any) -> None:
        """`options` are those of geventhttpclient's connection pools."""
        super().__init__(ssl_context_factory=trust, insecure=False)
        self._line = line
        self._pool_options = options | {"ssl_context_factory": trust}

    def get_client(self, url: Any) -> HTTPClient:
        """The client for a URL's host."""
        parsed = url if isinstance(url, URL) else URL(url)
        fresh = (parsed.host, parsed.port) not in self.clients
        client = super().get_client(parsed)
        if fresh:
            port = parsed.port or HTTPS_PORT
            client._connection_pool = PhonePool(self._line, parsed.host, port, **self._pool_options)
        return client
