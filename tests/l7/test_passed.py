"""What is kept with a head says what the stages would say."""

import gc
import math
import time
import weakref
from random import Random

import msgspec
import pytest

from edge.common.config import Config, RouteConfig, WafConfig
from edge.common.process import Process
from edge.l7.compose import Stages
from edge.l7.http1.head import Known, judge
from edge.l7.http1.rules import HeadLimits
from edge.l7.pipeline import Pipeline
from edge.l7.request import Request
from edge.l7.verdict import Answer, Verdict
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import toy_config

LIMITS = HeadLimits(head_bytes_max=8192, target_bytes_max=2048, header_count_max=64)
ROUTES = (
    RouteConfig(path="/open/*", cluster="toy", auth="public", waf="off"),
    RouteConfig(path="/seen/*", cluster="toy", auth="public", waf="detect"),
    RouteConfig(path="/some/*", cluster="toy", auth="public", waf_sample=0.5),
    RouteConfig(path="/gone/*", respond_status=410),
    RouteConfig(path="/split/*", auth="optional", split={"toy": 1.0}),
    RouteConfig(path="/told/*", cluster="toy", auth="optional", header={"x-beta": "1"}),
    RouteConfig(path="/*", cluster="toy", auth="required"),
)
TARGETS = (
    "/open/a?x=1", "/open/../open/b", "/seen/a?q=<script>alert(1)</script>", "/seen/plain", "/some/a?q=1",
    "/some/b?q=1%27%20or%201=1--", "/gone/a", "/split/a", "/told/a", "/a/b", "/a/b?q=union+select+1", "/%zz",
)  # fmt: skip
LINES = ("", "x-beta: 1\r\n", "cookie: edge_session=none\r\n", "cookie: a=1; b=<script>\r\n",
         "authorization: Bearer x\r\n", "edge-trace: 1\r\n", "tracestate: a=b\r\n")  # fmt: skip


def _config() -> Config:
    return msgspec.structs.replace(toy_config("127.0.0.1:1"), route=ROUTES, waf=WafConfig(mode="block"))


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """As a worker has them."""
    folder = tmp_path_factory.mktemp("run")
    config = _config()
    ensure_keys(folder, config)
    process = Process.for_test(config, folder, name="l7-toy-1", tier="l7", pop="toy")
    return Stages(config, folder, process.log)


def _outcome(request: Request, verdict: Verdict) -> object:
    said = None if verdict is None else (verdict.status, verdict.why) if isinstance(verdict, Answer) else "?"
    found = (request.path, request.query, request.route, request.account, request.waf is None)
    return (said, *found, request.upstream_lines, len(request.marks))


def test_a_head_that_came_before_is_judged_as_if_it_had_not(stages: Stages) -> None:
    """Every route, attacks and sessions among them, in any order: with memory as without."""
    dice, known = Random(11), {}
    for _ in range(1500):
        target, lines = dice.choice(TARGETS), dice.choice(LINES)
        target = target.replace("<", "%3C").replace(">", "%3E")
        raw = f"GET {target} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode()
        head = judge(raw, LIMITS)
        outcomes = []
        for memory in (known.setdefault(raw, Known(head)), None):
            stages.waf._sampled.clear()  # both are to have the same turn
            request = Request("GET", head.line.target, head.block.fields, host="a", source="127.0.0.1")
            verdict = stages.pipeline.run(request, time.monotonic_ns, 1e9, 0, memory)
            outcomes.append(_outcome(request, verdict))
        assert outcomes[0] == outcomes[1], raw

    assert sum(one.passed is not None for one in known.values()) > 20


class Counted:
    """A stage that promises what it is told to."""

    def __init__(self, until: float = math.inf) -> None:
        self.asked = 0
        self.until = until

    def __call__(self, request: Request, now: float, unix_now: float) -> Verdict:
        self.asked += 1
        request.path = "/x"
        return None

    def same_until(self, request: Request) -> float:
        return self.until


def _moment(calls: list[str]) -> object:
    def stage(request: Request, now: float, unix_now: float) -> Verdict:
        calls.append("asked")
        return None

    return stage


def _run(pipeline: Pipeline, known: Known, unix_now: float = 0.0) -> Request:
    request = Request("GET", b"/x", ())
    assert pipeline.run(request, time.monotonic_ns, unix_now, 0, known) is None
    return request


def test_who_asks_the_head_alone_is_asked_once_and_the_others_each_time() -> None:
    """Else a limit would be charged once for all requests."""
    route, calls = Counted(), []
    pipeline = Pipeline({"route": route, "ratelimit": _moment(calls)})
    known = Known(judge(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS))

    requests = [_run(pipeline, known) for _ in range(3)]

    assert (route.asked, len(calls)) == (1, 3)
    assert {(request.path, len(request.marks)) for request in requests} == {("/x", 3)}
    assert [len(request.why) for request in requests] == [0, 1, 1]


def test_a_promise_ends_when_it_said_it_would() -> None:
    """An exclusion of the firewall's that has expired must not live on in a memory."""
    waf = Counted(until=100.0)
    pipeline = Pipeline({"waf": waf})
    known = Known(judge(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS))

    for unix_now in (98.0, 99.0, 100.0, 101.0):
        _run(pipeline, known, unix_now)

    assert waf.asked == 3


def test_a_new_configuration_asks_anew() -> None:
    """A reload makes a new pipeline."""
    route = Counted()
    known = Known(judge(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS))

    for _ in range(2):
        pipeline = Pipeline({"route": route})
        _run(pipeline, known)
        _run(pipeline, known)

    assert route.asked == 2


def test_what_is_kept_with_a_head_keeps_no_old_firewall() -> None:
    """Some heads never come again; the rules of before a reload must not stay in memory with them."""
    waf = Counted()
    pipeline = Pipeline({"waf": waf})
    known = Known(judge(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS))
    _run(pipeline, known)
    gone = weakref.ref(waf)

    del pipeline, waf
    gc.collect()

    assert known.passed is not None
    assert gone() is None


def test_who_can_promise_nothing_is_asked_each_time() -> None:
    """A firewall that looks at every tenth request has to count them."""
    waf = Counted(until=0.0)
    pipeline = Pipeline({"waf": waf})
    known = Known(judge(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS))

    for _ in range(3):
        _run(pipeline, known)

    assert waf.asked == 3
