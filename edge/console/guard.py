"""May this request be answered, and with which headers?

The console can kill processes, so three locks are on it, although it listens on
loopback only:

* the Host header has to be ours: a page of the wide web that has its own name
  resolve to 127.0.0.1 (DNS rebinding) is turned away;
* whatever changes something needs the token that lies, 0600, in the run
  directory, in a header of its own: no form and no image of another page can
  send it, and nothing here ever answers a CORS preflight with a yes;
* the pages may load from here alone and be framed by nobody (CSP).
"""

import hmac
from collections.abc import Mapping

TOKEN_HEADER = b"edge-token"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A lab's report brings its style inside and has no script at all.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)

_SAFE = {"GET", "HEAD"}


def refusal(
    method: str, headers: Mapping[bytes, bytes], hosts: frozenset[str], token: str
) -> tuple[int, str] | None:
    """Why this request is not answered: (status, reason); None where it is."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if host not in hosts:
        return 421, "this console answers under its own address only"
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1").lower() not in {f"http://{name}" for name in hosts}:
        return 403, "another page's script has no business here"
    if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return 403, "another page's link or image has no business here"
    if method not in _SAFE and not hmac.compare_digest(headers.get(TOKEN_HEADER, b""), token.encode()):
        return 401, "the token is missing or wrong; open the console by the address that `edge up` prints"
    return None


def headers(policy: str = PAGE_POLICY) -> tuple[tuple[bytes, bytes], ...]:
    """What every answer carries."""
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    )


def hosts_of(address: str) -> frozenset[str]:
    """The Host headers under which a console at `address` ("127.0.0.1:9000") may be called."""
    _, _, port = address.rpartition(":")
    return frozenset({address, f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"})
