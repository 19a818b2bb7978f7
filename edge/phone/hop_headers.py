"""What did a hop do to the headers of a message?

A proxy is known by what it passes on, drops, adds and rewrites.  L7 tells the heads
of both its conversations, the phone's on its SERVER span and the service's on the
CLIENT span below it; laid side by side they say so.  A service that was not asked
to write its headers down (`edge-trace: 1`) is told of by whoever called it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.common.header_fields import REQUEST, RESPONSE, headers_of
from edge.common.spans import CLIENT, SERVER, Span

# Of these a hop of its own makes out of one message another; the others only ask.
PROXY = "edge-l7"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One field on both sides of a hop."""

    name: str
    before: str | None  # as it came in; None: it did not
    after: str | None  # as it went on

    @property
    def mark(self) -> str:
        """`+` added, `-` dropped, `~` rewritten, nothing for what went through as it came."""
        if self.before is None:
            return "+"
        if self.after is None:
            return "-"
        return "" if self.before == self.after else "~"


@dataclass(frozen=True, slots=True)
class HopHeaders:
    """The headers of one hop, by the direction in which they travelled."""

    came_in: tuple[Header, ...] = ()
    went_out: tuple[Header, ...] = ()
    asked: str = ""  # whom a proxy asked, at last
    passed_on: tuple[Change, ...] = ()  # the request, from the phone to whom it asked
    given_back: tuple[Change, ...] = ()  # the answer, the other way


def hop_headers(span: Span, by_id: Mapping[str, Span]) -> HopHeaders:
    """What `span`, one of the trace `by_id`, says of headers, or others say of it."""
    request, answer = headers_of(span, REQUEST), headers_of(span, RESPONSE)
    if span.kind != SERVER:
        # The other way round: what a caller sends goes out.
        return HopHeaders(came_in=tuple(answer), went_out=tuple(request))
    caller = by_id.get(span.parent_id)
    if caller is not None and caller.kind == CLIENT:
        request = request or headers_of(caller, REQUEST)
        answer = answer or headers_of(caller, RESPONSE)
    call = _call_below(span, by_id.values()) if span.service == PROXY else None
    if call is None:
        return HopHeaders(came_in=tuple(request), went_out=tuple(answer))
    back = headers_of(call, RESPONSE)
    return HopHeaders(
        came_in=tuple(request),
        went_out=tuple(answer),
        asked=str(call.attributes.get("service.peer.name", "")),
        passed_on=changes(request, headers_of(call, REQUEST)),
        # Without an answer of theirs, what the phone got is the proxy's own.
        given_back=changes(back, answer) if back else (),
    )


def changes(came: Iterable[Header], went: Iterable[Header]) -> tuple[Change, ...]:
    """Every field of either side, those that came in first; names are unique on a span."""
    before, after = dict(came), dict(went)
    through = [Change(name, value, after.get(name)) for name, value in before.items()]
    added = [Change(name, None, value) for name, value in after.items() if name not in before]
    return (*through, *added)


def _call_below(span: Span, spans: Iterable[Span]) -> Span | None:
    """The last try: the one whose answer the phone got, if it got one."""
    calls = [
        one
        for one in spans
        if one.parent_id == span.span_id and one.kind == CLIENT and headers_of(one, REQUEST)
    ]
    return max(calls, key=lambda one: one.start_ns, default=None)
