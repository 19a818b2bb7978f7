"""The order of the stages, and what stops them."""

import pytest

from edge.l7.pipeline import ORDER, Pipeline, Stage
from edge.l7.request import Request
from edge.l7.verdict import Answer, Verdict, Wait

NO = Answer(status=403, reason="WAF")


def _stage(calls: list[str], name: str, verdict: Verdict = None) -> Stage:
    def stage(request: Request, now: float, unix_now: float) -> Verdict:
        calls.append(name)
        return verdict

    return stage


def _clock() -> int:
    _clock.now += 1  # type: ignore[attr-defined]
    return int(_clock.now)  # type: ignore[attr-defined]


_clock.now = 0  # type: ignore[attr-defined]


def test_stages_run_in_the_one_order_whatever_order_they_come_in() -> None:
    """The list in the module is the truth; nothing else may reorder it."""
    calls: list[str] = []
    pipeline = Pipeline({name: _stage(calls, name) for name in reversed(ORDER)})

    assert pipeline.run(Request("GET", b"/", ()), _clock, 0.0) is None
    assert tuple(calls) == ORDER


def test_nobody_runs_behind_an_answer() -> None:
    """A request that the WAF refused must not be charged to anybody's limit."""
    calls: list[str] = []
    pipeline = Pipeline({"waf": _stage(calls, "waf", NO), "ratelimit": _stage(calls, "ratelimit")})
    request = Request("GET", b"/", ())

    assert pipeline.run(request, _clock, 0.0) is NO
    assert calls == ["waf"]
    assert pipeline.stopped_at(request) == 0


def test_a_stage_that_waits_is_asked_again_and_the_others_are_not() -> None:
    """Else each wait would cost the phone another request of its limit."""
    calls: list[str] = []
    pipeline = Pipeline({"auth": _stage(calls, "auth"), "cache": _stage(calls, "cache", Wait(object(), 1.0))})
    request = Request("GET", b"/", ())
    pipeline.run(request, _clock, 0.0)
    start = pipeline.stopped_at(request)
    request.marks.clear()

    pipeline.run(request, _clock, 0.0, start)

    assert (start, calls) == (1, ["auth", "cache", "cache"])


def test_each_stage_leaves_its_mark() -> None:
    """The trace's stage spans are made of the marks."""
    request = Request("GET", b"/", ())

    Pipeline({"route": _stage([], "route"), "auth": _stage([], "auth")}).run(request, _clock, 0.0)

    assert len(request.marks) == 3
    assert request.marks == sorted(request.marks)


def test_a_stage_nobody_knows_is_a_mistake() -> None:
    """It would silently never run."""
    with pytest.raises(AssertionError):
        Pipeline({"firewall": _stage([], "firewall")})
