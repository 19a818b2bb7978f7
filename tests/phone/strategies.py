"""Hypothesis strategies: traces as they might come from careless processes."""

from hypothesis import settings
from hypothesis import strategies as st

from edge.common.spans import CLIENT, INTERNAL, SERVER, Span
from tests.kit.traces import ROOT, span

# Hypothesis's deadline is wall time.  Beside a running edge one example of 1 ms was once
# scheduled for 292 ms; what these properties claim has nothing to do with that.
UNTIMED = settings(deadline=None)

_SERVICES = ("phone", "edge-dns", "edge-l4", "edge-l7", "feed", "ranking")
_NAMES = ("dns query", "tcp connect", "tls handshake", "http wait", "body", "l7.waf", "l7.queue", "GET /feed")


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """A root of 1 ms and up to twelve spans with any parents, times, overlaps and gaps."""
    count = draw(st.integers(0, 12))
    ids = [f"s{number}" for number in range(count)]
    spans = [span(ROOT, "", "phone", 0, 1000, service="phone", instance="phone")]
    for one in ids:
        start = draw(st.integers(-200, 1200))
        spans.append(
            span(
                one,
                draw(st.sampled_from([ROOT, ROOT, "nobody", *ids])),
                draw(st.sampled_from(_NAMES)),
                start,
                start + draw(st.integers(0, 900)),
                service=draw(st.sampled_from(_SERVICES)),
                kind=draw(st.sampled_from((INTERNAL, SERVER, CLIENT))),
                error=draw(st.sampled_from(("", "timed out"))),
            )
        )
    return draw(st.permutations(spans))
