"""What would happen to this request?

The worker's own judge and stages, walked one by one with nothing behind them:
each says what it decides and why, and nothing is sent.  Limits are those of a
worker that has just started, so they say what the first request would meet.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edge.common.trace import TraceContext
from edge.l7.http1.head import judge, split_head
from edge.l7.http1.rules import HeadLimits, Refused
from edge.l7.pipeline import ORDER, Stage
from edge.l7.request import Request
from edge.l7.stages.route_table import RouteTable, upstream_path
from edge.l7.verdict import Answer, Verdict

BodyJudge = Callable[[Request], Answer | None]


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage said."""

    stage: str
    verdict: str  # "pass", "answer 403 WAF", "refuse 400"
    why: str
    passes: bool = True


@dataclass(frozen=True, slots=True)
class DryRun:
    """All steps, up to the one that answered; `request` is None where the head was refused."""

    steps: tuple[Step, ...]
    request: Request | None


def dry_run(
    raw: bytes,
    limits: HeadLimits,
    stages: Mapping[str, Stage],
    table: RouteTable,
    *,
    source: str,
    now: float,
    unix_now: float,
    trace: TraceContext,
    judge_body: BodyJudge | None = None,
    caller: str = "",
) -> DryRun:
    """Walk `raw` (a request as it stands on the wire) through everything up to the choice of an endpoint."""
    try:
        split = split_head(raw, limits)
        if split is None:
            return DryRun((Step("http1", "wait", "the head is not complete", passes=False),), None)
        head_bytes, body = split
        head = judge(head_bytes, limits)
    except Refused as refused:
        step = Step("http1", f"refuse {refused.status}", f"{refused.rule}: {refused.detail}", passes=False)
        return DryRun((step,), None)
    request = Request(
        head.line.method,
        head.line.target,
        head.block.fields,
        host=head.block.host,
        body_expected=head.body != 0,
        source=source,
        conn_id="dry-run",
        caller=caller,
        trace=trace,
    )
    request.body_prefix = body
    steps = [Step("http1", "pass", f"h11 takes it: {len(head.block.fields)} fields")]
    for step in _walk(request, stages, table, now, unix_now, judge_body):
        steps.append(step)
        if not step.passes:
            break
    return DryRun(tuple(steps), request)


def _walk(
    request: Request,
    stages: Mapping[str, Stage],
    table: RouteTable,
    now: float,
    unix_now: float,
    judge_body: BodyJudge | None,
) -> Iterator[Step]:
    for name in ORDER:
        stage = stages.get(name)
        if stage is None:
            continue
        noted = len(request.why)
        verdict = stage(request, now, unix_now)
        if name == "waf" and verdict is None and judge_body is not None and request.body_prefix:
            verdict = judge_body(request)
        said = "; ".join(sentence % values for _, sentence, values in request.why[noted:])
        yield _step(name, verdict, said or _told(name, request, table))


def _step(name: str, verdict: Verdict, said: str) -> Step:
    if verdict is None:
        return Step(name, "pass", said)
    if isinstance(verdict, Answer):
        return Step(name, f"answer {verdict.status} {verdict.reason}", verdict.why or said, passes=False)
    return Step(name, "wait", verdict.why, passes=False)


def _told(name: str, request: Request, table: RouteTable) -> str:
    """What a stage that says nothing has done all the same."""
    route = request.route
    if name == "normalise":
        same = request.path.encode() == request.target.partition(b"?")[0]
        return "the path is in its normal form" if same else f"the path becomes {request.path}"
    if name == "route" and route is not None:
        return _routed(request, table)
    if name == "caller":
        return "the route asks for no certificate"
    if name == "waf":
        return "no rule matches" if route is None or route.config.waf != "off" else "off on this route"
    if name == "auth" and route is not None:
        if request.account is not None:
            return f"account {request.account} ({request.account_name})"
        return f"nobody is logged in; the route is {route.config.auth}"
    if name == "ratelimit":
        lines = request.reply_lines.decode("latin-1").split("\r\n")
        return next((line for line in lines if line.startswith("ratelimit: ")), "no limit holds here")
    if name == "experiment":
        return ", ".join(f"{test}={variant}" for test, variant in request.variants.items()) or "in none"
    if name == "shed" and route is not None:
        return f"priority {route.config.shed_priority} of 9"
    if name == "cache":
        return "not in memory: it would be fetched" if request.fetch is not None else "not for this request"
    return ""


def _routed(request: Request, table: RouteTable) -> str:
    route = request.route
    assert route is not None, "asked only with a route"
    passed_over = [f"{other.name} ({misfit})" for other, misfit in table.explain(request) if misfit]
    told = f"{route.name} -> {route.cluster or 'a split'}"
    path = upstream_path(route, request.path)
    if path != request.path:
        told += f", path {path}"
    if route.mirror is not None:
        told += f", a copy of {route.mirror.share:.0%} of them to {route.mirror.cluster}"
    return told + (f"; passed over: {', '.join(passed_over)}" if passed_over else "")
