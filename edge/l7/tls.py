"""Which certificate does this phone see, and may it resume on any worker?  [I/O]

One SSLContext for the edge's own names, one for each further certificate,
chosen by SNI.  Certificates are reloaded into the contexts that are there, so
nobody's connection notices.

**Tickets.**  OpenSSL encrypts session tickets with keys that it makes with the
context, and Python offers no way to set them.  Workers are forked, though:
`ROOT` is made when the supervisor imports this module, every worker inherits it
with its ticket keys, and so a ticket from one worker resumes at all others of
this machine, also after one of them was replaced.  A context chosen by SNI does
not matter here: tickets belong to the context with which a connection began,
which is always `ROOT`.  The price: the keys live as long as the supervisor, so a
restart of the tier is their rotation.  TLS 1.3 resumes with (EC)DHE, hence
knowing them later does not open what was recorded.

Importing makes a context, and touches neither file nor socket.
"""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edge.common.errors import EdgeError
from edge.l7 import client_certificate

# Mozilla's "intermediate" profile 5.7: forward secret AEAD suites only; TLS 1.3 suites are OpenSSL's
# own three.  DHE is left out: it needs a group on our side and no phone of this decade lacks ECDHE.
CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    )
)  # fmt: skip
# One ticket instead of OpenSSL's two: phones keep one, and each makes the handshake 265 bytes longer.
TICKETS: Final = 1
_KEYS: Final = "keys"
_OWN: Final = "edge"
_CALLERS_CA: Final = "callers-ca.pem"


class TlsError(EdgeError):
    """A certificate or key cannot be used."""

    blame = "operator"
    status_hint = None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # `|=`: assignment would switch off TLS 1.3's middlebox compatibility.  Renegotiation is a way to
    # make us work; the client's order of ciphers is the better one between equals (AES hardware).
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_SINGLE_ECDH_USE
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = TICKETS
    context.set_alpn_protocols(["http/1.1"])
    return context


ROOT: Final = _server_context()


class Certificates:
    """The contexts of one worker."""

    def __init__(self, run_dir: Path) -> None:
        self._directory = run_dir / _KEYS
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.context = ROOT
        self._asks = False
        self.reload()
        ROOT.sni_callback = self._choose  # type: ignore[assignment]  # the owner of the engine: `Tls`

    def reload(self) -> list[str]:
        """Read every `<name>.pem` with its `<name>.key` again; returns the names served.

        `edge.pem` is everybody's; any other stem is a host name, "*.shop.test" written
        `_.shop.test`.  Raises `TlsError` and keeps what it has if the edge's own pair
        is unusable; another bad pair is left out and named in the error of `problems`.
        """
        own = self._directory / f"{_OWN}.pem"
        _load(ROOT, own, own.with_suffix(".key"))
        found: dict[str, ssl.SSLContext] = {}
        self.problems: list[str] = []
        for path in sorted(self._directory.glob("*.pem")):
            key = path.with_suffix(".key")
            name = path.stem.lower().replace("_.", "*.", 1)
            if path.stem == _OWN or "." not in name or name.startswith("session-") or not key.exists():
                continue
            try:
                context = self._by_name.get(name) or _server_context()
                _load(context, path, key)
                found[name] = context
            except TlsError as error:
                self.problems.append(str(error))
        self._by_name = found
        self.ask_callers(self._asks)
        return [_OWN, *found]

    def ask_callers(self, wanted: bool) -> None:
        """Ask phones for a client certificate from now on, or stop asking.  Raises `TlsError`."""
        authority = self._directory / _CALLERS_CA
        try:
            client_certificate.ask([ROOT, *self._by_name.values()], authority, wanted=wanted)
        except OSError as error:
            raise TlsError(f"{authority}: {error}") from error
        self._asks = wanted

    def name_choice(self, server_name: str) -> ssl.SSLContext:
        """The context for a phone that asks for `server_name`."""
        name = server_name.lower()
        wild = "*." + name.partition(".")[2]
        return self._by_name.get(name) or self._by_name.get(wild) or ROOT

    def _choose(self, tls: "Tls", server_name: str | None, _: ssl.SSLContext) -> int | None:
        if not server_name:
            return None
        tls.server_name = server_name
        if self._by_name:
            context = self.name_choice(server_name)
            if context is not ROOT:
                tls.engine.context = context
        return None


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # First into a context that nobody uses: a certificate whose key does not fit would leave the
        # one in service with half a pair.
        probe.load_cert_chain(certificate, key)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{certificate}: {error}") from error


class Tls:
    """TLS on one socket: the object of Python's that `ssl.SSLSocket` wraps, without the wrapper.

    The wrapper asks the kernel about a socket that we have just been given, and
    carries a dict: 7 us and 300 bytes for each connection.
    """

    __slots__ = ("__weakref__", "engine", "server_name")

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.server_name = ""  # that the phone asked for, once the handshake has begun
        # As its owner we are what `Certificates._choose` is shown.  Both are held weakly.
        self.engine: Any = context._wrap_socket(sock, True, None, owner=self)  # type: ignore[attr-defined]

    def certificate(self) -> Any:
        """The phone's, verified, as `SSLSocket.getpeercert` gives it."""
        return self.engine.getpeercert(False)


def describe(tls: Tls) -> Mapping[str, str | bool]:
    """What the handshake agreed on, under OpenTelemetry's names."""
    engine = tls.engine
    cipher = engine.cipher()
    return {
        "tls.protocol.version": (engine.version() or "").removeprefix("TLSv"),
        "tls.cipher": cipher[0] if cipher else "",
        "tls.resumed": bool(engine.session_reused),
        "server.address": tls.server_name,
    }
