"""What every stage would say, without sending anything."""

import random
from typing import Any

from edge.common.config import (
    AuthConfig,
    CacheConfig,
    ExperimentConfig,
    L7Config,
    LimitConfig,
    MirrorConfig,
    RouteConfig,
    ShedConfig,
)
from edge.common.trace import new_context
from edge.l7.cache.stage import Cache
from edge.l7.dry_run import DryRun, dry_run
from edge.l7.http1.rules import limits_of
from edge.l7.pipeline import Stage
from edge.l7.stages.auth import Auth
from edge.l7.stages.caller import Callers
from edge.l7.stages.experiment import Experiments
from edge.l7.stages.normalise import Normalise
from edge.l7.stages.ratelimit import RateLimits
from edge.l7.stages.route import RouteStage
from edge.l7.stages.shed import Shed
from edge.l7.verdict import Answer
from tests.l7.stages.test_session_token import NOW, PRIVATE, pem, token

ROUTES = (
    RouteConfig(name="feed", path="/feed", cluster="feed", auth="required"),
    RouteConfig(name="posts", path="/feed", method=("POST",), cluster="feed"),
    RouteConfig(name="media", path="/media/*", cluster="media", cache=True, rewrite_prefix="/"),
    RouteConfig(
        name="jobs",
        path="/jobs",
        cluster="feed",
        callers=("jobs",),
        mirror=MirrorConfig(cluster="next", share=0.25),
    ),
)


def walk(raw: bytes, **more: Any) -> DryRun:
    route = RouteStage(ROUTES)
    stages: dict[str, Stage] = {
        "normalise": Normalise(),
        "route": route,
        "caller": Callers(),
        "auth": Auth(AuthConfig(), {"1": pem(PRIVATE)}),
        "ratelimit": RateLimits((LimitConfig(name="source", key="source", rate_per_s=1, burst=2),)),
        "experiment": Experiments((ExperimentConfig(name="x", variants={"a": 1}),)),
        "shed": Shed(ShedConfig(), lambda: 0),
        "cache": Cache(CacheConfig()),
    }
    return dry_run(
        raw,
        limits_of(L7Config()),
        stages,
        route.table,
        source="198.51.100.7",
        now=100.0,
        unix_now=NOW,
        trace=new_context(random.Random(1).randbytes(24)),
        **more,
    )


def told(found: DryRun) -> dict[str, tuple[str, str]]:
    return {step.stage: (step.verdict, step.why) for step in found.steps}


def test_a_request_that_passes_shows_every_stage() -> None:
    """In the order of the pipeline, each with its reason."""
    found = walk(b"GET /feed HTTP/1.1\r\nHost: h\r\nCookie: edge_session=" + token() + b"\r\n\r\n")

    assert [step.stage for step in found.steps] == [
        "http1", "normalise", "route", "caller", "auth", "ratelimit", "experiment", "shed", "cache"
    ]  # fmt: skip
    said = told(found)
    assert said["route"] == ("pass", "feed -> feed; passed over: posts (method)")
    assert said["caller"] == ("pass", "the route asks for no certificate")
    assert said["auth"] == ("pass", "account 1 (ada)")
    assert said["ratelimit"] == ("pass", 'ratelimit: "source";r=1;t=1')
    assert said["experiment"] == ("pass", "x=a")
    assert all(step.passes for step in found.steps)


def test_the_walk_ends_where_the_phone_is_answered() -> None:
    """No later stage is asked, as in the worker."""
    found = walk(b"GET /feed HTTP/1.1\r\nHost: h\r\n\r\n")

    assert found.steps[-1].stage == "auth"
    assert found.steps[-1].verdict == "answer 401 AUTH"
    assert not found.steps[-1].passes


def test_what_h11_refuses_is_refused_here_too() -> None:
    """The same judge, so the same rule's name."""
    refused = walk(b"GET /feed HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    incomplete = walk(b"GET /feed HTTP/1.1\r\n")

    assert refused.steps[0].verdict == "refuse 400"
    assert refused.request is None
    assert incomplete.steps[0].verdict == "wait"


def test_rewriting_and_normal_form_are_shown() -> None:
    """What the service will see is what people ask for most."""
    said = told(walk(b"GET //media/./7 HTTP/1.1\r\nHost: h\r\n\r\n"))

    assert said["normalise"] == ("pass", "the path becomes /media/7")
    assert said["route"] == ("pass", "media -> media, path /7")
    assert said["cache"] == ("pass", "not in memory: it would be fetched")


def test_callers_and_copies_are_shown() -> None:
    """Whose certificate would do, and who else would get the request."""
    raw = b"GET /jobs HTTP/1.1\r\nHost: h\r\n\r\n"
    known, unknown = told(walk(raw, caller="jobs")), told(walk(raw, caller="other"))

    assert known["route"] == ("pass", "jobs -> feed, a copy of 25% of them to next")
    assert known["caller"] == ("pass", "jobs, by its certificate")
    assert unknown["caller"] == ("answer 403 AUTH", "caller: other is none of jobs")


def test_the_body_is_judged_with_the_head() -> None:
    """By whatever the caller lends for it; without a WAF stage nobody asks."""
    seen: list[bytes] = []

    def judge_body(request: Any) -> Answer | None:
        seen.append(request.body_prefix)
        return None

    walk(b"POST /feed HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", judge_body=judge_body)

    assert seen == []
