"""Where does a request go, and under which rules?

A `Route` is one line of `edge.toml`, ready to use.  Many requests share one;
it never changes.  A new configuration makes new ones.
"""

from dataclasses import dataclass

from edge.common.config import MirrorConfig, RouteConfig


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One compiled line of the routing table."""

    name: str  # for logs, metrics and span names: never the raw path
    cluster: str  # "" where the route answers by itself
    config: RouteConfig
    request_lines: bytes = b""  # `set-request-headers`, ready for the wire
    response_lines: bytes = b""  # `set-response-headers`, ready for the wire
    drop_response: frozenset[bytes] = frozenset()  # `remove-response-headers`, lower case
    mirror: MirrorConfig | None = None  # who gets copies; None: nobody
    reads_answers: bool = False  # the firewall looks into what the service answers
