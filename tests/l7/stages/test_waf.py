"""The thin stage around the inspector: modes, routes, bodies, strikes."""

from dataclasses import replace
from typing import cast

import pytest

from edge.common.config import RouteConfig, WafConfig, WafMode
from edge.common.trace import TraceContext
from edge.l7.request import Request
from edge.l7.stages.route_table import make_route
from edge.l7.stages.waf import BUSY, FOUND_MAX, DearHead, Waf
from edge.l7.verdict import Answer, Wait
from edge.l7.waf.body_type import SNIFF_BYTES
from edge.l7.waf.inspector import Inspector, Tally
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.request import PASS, Match, WafRequest, WafVerdict

FOUND = WafVerdict(
    action="block",
    score=5,
    matches=(
        Match(
            id=941100, message="XSS", severity="critical", points=5, phase=1, paranoia=1, variable="ARGS:q",
            value=b"<script", offset=0, transforms=(), tags=(), place="test",
        ),
    ),
)  # fmt: skip


class Finds:
    """An inspector that finds `<script` and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[WafRequest, bytes]] = []
        self.tally = Tally()
        self.verdict: WafVerdict | None = None  # said instead, whatever is shown

    def inspect_head(self, head: WafRequest, now: float, *, hurried: bool = False) -> WafVerdict:
        return self.inspect_body(head, b"", now, hurried=hurried)

    def inspect_apart(self, head: WafRequest, body: bytes | None, now: float) -> WafVerdict:
        return self.inspect_body(head, body or b"", now)

    def inspect_body(self, head: WafRequest, body: bytes, now: float, *, hurried: bool = False) -> WafVerdict:
        if hurried and b"dear" in head.target:
            raise TooDear
        self.shown.append((head, body))
        if self.verdict is not None:
            return self.verdict
        return FOUND if b"<script" in head.target + body else PASS


def stage(mode: WafMode = "block", ban_after: int = 3, *, hurried: bool = False) -> tuple[Waf, Finds]:
    finds = Finds()
    return Waf(WafConfig(mode=mode, ban_after=ban_after), cast(Inspector, finds), hurried=hurried), finds


def request(
    target: bytes = b"/?q=<script>",
    waf: WafMode | None = None,
    *fields: tuple[bytes, bytes],
    body: bytes = b"",
) -> Request:
    made = Request("POST" if body else "GET", target, fields, source="203.0.113.9")
    made.route = make_route(RouteConfig(path="/", cluster="c", waf=waf))
    made.body_prefix = body
    return made


@pytest.mark.parametrize(
    ("edge_wide", "route", "blocks"),
    [
        ("block", None, True),
        ("detect", None, False),
        ("off", None, False),
        ("detect", "block", True),
        ("block", "detect", False),
        ("block", "off", False),
    ],
)
def test_the_route_may_say_otherwise_than_the_edge(
    edge_wide: WafMode, route: WafMode | None, blocks: bool
) -> None:
    """A plain reverse proxy turns it off; a risky service turns it on."""
    waf, finds = stage(edge_wide)

    answer = waf(request(waf=route), 0.0, 0.0)

    assert (answer is not None) is blocks
    assert bool(finds.shown) is ("off" not in (route or edge_wide))


@pytest.mark.parametrize(
    ("score", "threshold", "blocks"),
    [(5, None, True), (5, 10, False), (12, 10, True), (3, 3, True), (2, 3, False)],
)
def test_a_route_has_a_threshold_of_its_own(score: int, threshold: int | None, blocks: bool) -> None:
    """CRS's advice is a high threshold, lowered in steps; a risky route may be stricter than the edge."""
    waf, finds = stage()
    finds.verdict = replace(
        FOUND, action="block" if score >= 5 else "pass", score=score, sum_max=score, by_score=score >= 5
    )
    asked = request()
    asked.route = make_route(RouteConfig(path="/", cluster="c", waf_threshold=threshold))

    assert (waf(asked, 0.0, 0.0) is not None) is blocks


def test_a_threshold_does_not_let_through_what_was_not_refused_for_its_points() -> None:
    """A body that cannot be read, a virtual patch that blocks."""
    waf, finds = stage()
    finds.verdict = replace(FOUND, status=400, score=0)
    asked = request()
    asked.route = make_route(RouteConfig(path="/", cluster="c", waf_threshold=100))

    assert waf(asked, 0.0, 0.0) is not None


@pytest.mark.parametrize(
    ("edge_wide", "route", "inspected"), [(1.0, None, 100), (0.1, None, 10), (1.0, 0.25, 25)]
)
def test_a_sample_of_the_requests_is_inspected(edge_wide: float, route: float | None, inspected: int) -> None:
    """To try rules on a busy site.  Counted: no id that a phone may choose decides whose turn it is."""
    finds = Finds()
    waf = Waf(WafConfig(sample=edge_wide), cast(Inspector, finds))
    skipped = 0

    for _ in range(100):
        asked = request(b"/")
        asked.route = make_route(RouteConfig(path="/", cluster="c", waf_sample=route))
        waf(asked, 0.0, 0.0)
        skipped += waf.bytes_wanted(asked) == 0

    assert (len(finds.shown), skipped) == (inspected, 100 - inspected)


def test_what_was_found_is_noted_even_where_it_is_only_detected() -> None:
    """Detection is for learning what would have been blocked."""
    waf, _ = stage("detect")
    asked = request()

    waf(asked, 0.0, 0.0)

    assert asked.waf == replace(FOUND, action="detect")
    assert asked.why[0][0] == "waf"
    assert (waf.blocked, waf.detected) == ({}, {"941100": 1})
    assert [record["action"] for record in waf.take_found()] == ["detect"]


def test_the_phone_is_not_told_which_rule_it_was() -> None:
    """The log is; an attacker would tune against it."""
    waf, _ = stage()

    answer = waf(request(), 0.0, 0.0)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.reason) == (403, "WAF")
    assert "941100" not in answer.detail
    assert "941100" in answer.why
    assert waf.blocked == {"941100": 1}


def test_a_body_is_judged_unless_it_is_a_picture_and_begins_like_one() -> None:
    """What only says so is JSON to whoever reads JSON without asking for its type."""
    waf, _ = stage()
    form = request(b"/", None, (b"content-type", b"application/x-www-form-urlencoded"), body=b"q=<script>")
    picture = request(b"/", None, (b"content-type", b"image/jpeg"), body=b"\xff\xd8\xff\xe0\0\x10JFIF")
    liar = request(b"/", None, (b"content-type", b"image/jpeg"), body=b'{"q": "<script>"}')
    unseen = request(b"/", None, (b"content-type", b"image/jpeg"), body=b"")
    unnamed = request(b"/", None, body=b"<script>")
    invented = request(b"/", None, (b"content-type", b"application/ld+json"), body=b"<script>")
    drawing = request(b"/", None, (b"content-type", b"image/svg+xml"), body=b"<script>")

    assert waf.bytes_wanted(form) > 0
    assert waf.bytes_wanted(picture) == 0
    assert waf.bytes_wanted(unseen) == SNIFF_BYTES
    both = request(
        b"/", None, (b"content-type", b"image/png"), (b"content-type", b"application/json"), body=b"<script>"
    )
    assert min(waf.bytes_wanted(asked) for asked in (unnamed, invented, drawing, both, liar)) > SNIFF_BYTES
    assert waf.judge_body(form, 0.0, 0.0) is not None


def test_trace_headers_do_not_defeat_the_memory_and_forged_ones_are_seen() -> None:
    """They differ in each request; one that is no trace header may hold anything."""
    waf, finds = stage()
    good = (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-03")

    waf(request(b"/", None, good, (b"x", b"1")), 0.0, 0.0)
    waf(request(b"/", None, (b"traceparent", b"' or 1=1")), 0.0, 0.0)

    assert finds.shown[0][0].headers == ((b"x", b"1"),)
    assert finds.shown[1][0].headers == ((b"traceparent", b"' or 1=1"),)


def test_who_goes_on_is_named_for_l4() -> None:
    """Once: three are forgiven, the fourth within a minute is enough."""
    waf, _ = stage(ban_after=3)

    for _ in range(10):
        waf(request(), 100.0, 0.0)

    assert waf.bans == [("203.0.113.9", 60.0)]


def test_what_was_found_is_written_down_under_the_id_that_the_phone_was_given() -> None:
    """`edge waf explain ID` looks it up there; a request that passes leaves nothing."""
    waf, _ = stage()
    asked = request()
    asked.trace = TraceContext("ab" * 16, "cd" * 8)

    waf(asked, 0.0, 1700000000.0)
    waf(request(b"/?q=hello"), 0.0, 0.0)
    (record,) = waf.take_found()

    assert (record["request_id"], record["action"], record["route"]) == ("ab" * 16, "block", "/")
    assert [match["id"] for match in record["matches"]] == [941100]
    assert waf.take_found() == []


def test_a_body_is_written_down_as_well() -> None:
    """Its verdict may have been found in another thread; what follows from it is decided here."""
    waf, _ = stage()
    asked = request(b"/", body=b"<script>")

    verdict = waf.inspect_body(asked, 0.0)
    nothing_yet = waf.take_found()
    answer = waf.answer_body(asked, verdict, 0.0, 0.0)

    assert nothing_yet == []
    assert answer is not None
    assert len(waf.take_found()) == 1


def test_a_flood_of_attacks_does_not_fill_our_memory() -> None:
    """What does not fit until the next round is counted."""
    waf, _ = stage()

    for _ in range(FOUND_MAX + 5):
        waf(request(), 0.0, 0.0)

    assert (len(waf.take_found()), waf.found_lost) == (FOUND_MAX, 5)


def test_a_head_that_takes_long_is_inspected_elsewhere() -> None:
    """Everybody on this worker would wait for it."""
    waf, _ = stage(hurried=True)
    asked = request(b"/dear?q=<script>")

    first = waf(asked, 0.0, 0.0)
    assert isinstance(first, Wait) and isinstance(first.token, DearHead)
    first.token.inspect()
    second = waf(asked, 0.0, 0.0)

    assert isinstance(second, Answer) and second.status == 403


def test_a_head_that_nobody_had_time_for_does_not_pass() -> None:
    """An attacker who keeps the firewall busy must not get past it by that."""
    waf, finds = stage(hurried=True)
    asked = request(b"/dear")

    assert isinstance(waf(asked, 0.0, 0.0), Wait)
    assert waf(asked, 0.0, 0.0) is BUSY
    assert not finds.shown


def test_who_has_no_other_thread_waits_for_the_verdict() -> None:
    """`edge explain` asks the stages themselves."""
    waf, _ = stage()

    assert waf(request(b"/dear"), 0.0, 0.0) is None


def test_a_new_firewall_goes_on_where_the_old_one_stopped() -> None:
    """A reload must neither forgive who attacks nor lose what was found a moment before."""
    former, _ = stage(ban_after=3)
    under_way = request()
    for _ in range(3):
        former(request(), 0.0, 0.0)

    waf, _ = stage(ban_after=3)
    waf.take_over(former)
    waf(request(), 0.0, 0.0)
    former(under_way, 0.0, 0.0)

    assert waf.blocked == {"941100": 5}, "counters never go backwards"
    assert waf.inspector.tally is former.inspector.tally
    assert len(waf.take_found()) == 5, "also what the old one finds in what is still under way"
    assert waf.bans == [("203.0.113.9", 60.0)]


def test_other_words_about_bans_begin_anew() -> None:
    """Strikes were counted against another number."""
    former, _ = stage(ban_after=3)
    for _ in range(3):
        former(request(), 0.0, 0.0)

    waf, _ = stage(ban_after=4)
    waf.take_over(former)
    for _ in range(4):
        waf(request(), 0.0, 0.0)

    assert waf.bans == []


def test_a_verdict_that_took_long_counts_where_only_a_part_is_inspected() -> None:
    """When the stage is asked again it may be nobody's turn."""
    finds = Finds()
    waf = Waf(WafConfig(mode="block", sample=0.5), cast(Inspector, finds), hurried=True)
    waf(request(b"/"), 0.0, 0.0)

    asked = request(b"/dear?q=<script>")
    first = waf(asked, 0.0, 0.0)
    assert isinstance(first, Wait) and isinstance(first.token, DearHead)
    first.token.inspect()

    assert isinstance(waf(asked, 0.0, 0.0), Answer)
