"""Does this look like an attack?

A thin stage around `edge.l7.waf.inspector`: it asks where the route wants it to,
and turns a verdict into an answer.  The head is judged in its place in the
pipeline; a body is judged when its beginning is here and before any of it goes to
a service.

What takes longer than some milliseconds to inspect is not inspected here, where everybody
waits, but by a worker that can do it in another thread: the stage then answers `Wait`,
and is asked again when the verdict is there.

Trace headers are left out of what is inspected when they have their proper form.
They differ in each request, and with them the inspector's memory would never hit.

The rules are always those that block; a route that only detects, or that asks for
another threshold, decides here what its verdict means.  So one set of compiled rules,
and one memory of verdicts, serves all routes.

State: the inspector's, the offenders' strikes, and `FOUND_MAX` audit records at most
until the worker takes them.
"""

import math
import re
from collections import deque
from dataclasses import replace
from typing import Any, Final

from edge.common.config import WafConfig
from edge.l7.request import Request
from edge.l7.stages.offenders import Offenders
from edge.l7.verdict import CONTINUE, Answer, Verdict, Wait
from edge.l7.waf.audit import audit_record
from edge.l7.waf.body_type import SNIFF_BYTES, may_be_media, says_media
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.request import PASS, Headers, WafRequest, WafResponse, WafVerdict

_TRACE: Final = frozenset((b"traceparent", b"x-request-id"))
_TRACE_VALUE: Final = re.compile(rb"[0-9a-f-]{1,64}")
# Answers whose bodies are text, with whatever parameters.  A stream of events has no end to wait for.
_TEXT: Final = re.compile(
    rb"\s*(?:text/(?!event-stream)|application/(?:[\w.+-]+\+)?(?:json|xml|javascript|ecmascript)\s*(?:;|$)|application/x-)"
)
# Records between two rounds of the walker, a quarter of a second.  An attack of more than 2,000 requests a
# second is understood from these as well; the rest is counted.
FOUND_MAX: Final = 512
# Inspections wait for one another, `waf.budget-ms` each; whoever is still waiting then is refused.
DEAR_WAIT_S: Final = 10.0

BUSY: Final = Answer(
    status=503,
    reason="SHED",
    detail="The edge is busy.",
    why="too many long inspections wait for the firewall already",
    retry_after_s=2.0,
)


class DearHead:
    """A head that takes long to inspect.  Any thread may call `inspect`; then the stage is asked again."""

    def __init__(self, inspector: Inspector, seen: WafRequest, unix_now: float) -> None:
        self._inspector = inspector
        self._seen = seen
        self._unix_now = unix_now
        self.verdict: WafVerdict | None = None

    def inspect(self) -> None:
        """Take the time it takes, within the budget."""
        self.verdict = self._inspector.inspect_apart(self._seen, None, self._unix_now)


class Waf:
    """The stage: lets pass or answers with what the rules say (403, 400, 413)."""

    def __init__(self, config: WafConfig, inspector: Inspector, *, hurried: bool = False) -> None:
        """`hurried`: whoever asks can have dear heads inspected in another thread."""
        self._config = config
        self._hurried = hurried
        self.inspector = inspector
        self._offenders = Offenders(config.ban_after, config.ban_s)
        self.bans: list[tuple[str, float]] = []  # source, seconds; taken and cleared by the worker
        self.blocked: dict[str, int] = {}  # by rule, for the metrics
        self.detected: dict[str, int] = {}  # by rule: what a route that only detects would have blocked
        self.found: deque[dict[str, Any]] = deque()  # for the audit log; taken and cleared by the worker
        self.found_lost = 0
        self._sampled: dict[str, float] = {}  # by route: what has been promised and not yet inspected

    def take_over(self, former: "Waf") -> None:
        """Go on where `former` stopped; it may still answer what is under way.  A reload forgives nobody."""
        self.blocked, self.detected = former.blocked, former.detected
        self.found, self.found_lost = former.found, former.found_lost
        self.bans = former.bans
        self.inspector.tally = former.inspector.tally
        mine, its = self._config, former._config
        if (mine.ban_after, mine.ban_s) == (its.ban_after, its.ban_s):
            self._offenders = former._offenders

    def __call__(self, request: Request, now: float, unix_now: float) -> Verdict:
        """Judge the head."""
        mode = self._mode(request)
        dear = request.waf
        # Whose turn it was when he came has his verdict now; to be asked again is no turn of its own.
        if mode == "off" or not (isinstance(dear, DearHead) or self._is_sampled(request)):
            return CONTINUE
        seen = _seen(request)
        if isinstance(dear, DearHead):
            if dear.verdict is None:
                return BUSY
            verdict = dear.verdict
            request.waf = None
        else:
            try:
                verdict = self.inspector.inspect_head(seen, unix_now, hurried=self._hurried)
            except TooDear:
                request.waf = dear = DearHead(self.inspector, seen, unix_now)
                return Wait(dear, DEAR_WAIT_S, "the head takes long to inspect")
        return CONTINUE if verdict is PASS else self._answer(request, seen, verdict, mode, now, unix_now)

    def same_until(self, request: Request) -> float:
        """Until when it lets every request with this head pass; 0 where not only the head counts."""
        mode = self._mode(request)
        if mode == "off":
            return math.inf
        if request.waf is not None or self._share(request) < 1.0 or self.inspector.asks_who:
            return 0.0
        return self.inspector.next_expiry_unix or math.inf

    def bytes_wanted(self, request: Request) -> int:
        """How much of the body must be here before it is judged; 0: none, it is a picture or the like.

        Who says so is asked for a beginning first: ask again when it is here."""
        if self._mode(request) == "off" or request.waf_skipped:
            return 0
        if says_media(request.headers):
            if not request.body_prefix:
                return SNIFF_BYTES
            if may_be_media(request.body_prefix):
                return 0
        return self._config.body_bytes_max + 1  # one more, so that too much is seen as such

    def judge_body(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Judge head and `request.body_prefix` together."""
        return self.answer_body(request, self.inspect_body(request, unix_now), now, unix_now)

    def inspect_body(self, request: Request, unix_now: float, *, hurried: bool = False) -> WafVerdict:
        """What the rules say about `request.body_prefix`.  `hurried`: raise `TooDear` rather than take
        long."""
        return self.inspector.inspect_body(_seen(request), request.body_prefix, unix_now, hurried=hurried)

    def inspect_body_apart(self, request: Request, unix_now: float) -> WafVerdict:
        """The same in another thread, for what takes long."""
        return self.inspector.inspect_apart(_seen(request), request.body_prefix, unix_now)

    def answer_body(
        self, request: Request, verdict: WafVerdict, now: float, unix_now: float
    ) -> Answer | None:
        """What follows from `verdict`."""
        if verdict is PASS:
            return CONTINUE
        return self._answer(request, _seen(request), verdict, self._mode(request), now, unix_now)

    def reads_answer(self, request: Request) -> bool:
        """Whether it wants to see what the service answers, before the phone does."""
        route = request.route
        return route is not None and route.reads_answers and not request.waf_skipped

    def answer_bytes_wanted(self, headers: Headers) -> int:
        """How much of the body of an answer with this head it wants to see; 0: none, it is no text."""
        if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers):
            return 0
        kinds = [value.lower() for name, value in headers if name == b"content-type"]
        return self._config.answer_bytes_max if all(_TEXT.match(kind) for kind in kinds) else 0

    def inspect_answer(self, request: Request, answer: WafResponse, unix_now: float) -> WafVerdict:
        """What the rules say about what the service answers.  Any thread may ask."""
        return self.inspector.inspect_answer(_seen(request), answer, unix_now)

    def withhold(self, request: Request, verdict: WafVerdict, unix_now: float) -> Answer | None:
        """What the phone gets instead of the service's answer; None: that.

        No strike against the phone: a service that leaks does so to everybody."""
        if verdict is PASS:
            return CONTINUE
        verdict = self._settle(request, _seen(request), verdict, self._mode(request), unix_now)
        if verdict.action != "block":
            return CONTINUE
        return _refusal(verdict, "What the service answered was withheld by the firewall.")

    def _mode(self, request: Request) -> str:
        route = request.route
        if route is None or route.config.waf is None:
            return self._config.mode
        return route.config.waf

    def _is_sampled(self, request: Request) -> bool:
        """Whether it is this request's turn.  Counted, not diced by an id: a phone could choose its id."""
        share = self._share(request)
        if share >= 1.0:
            return True
        route = request.route.config if request.route is not None else None
        name = route.name or route.path if route is not None else ""
        due = self._sampled.get(name, 0.0) + share
        is_due = due >= 1.0 - 1e-9  # ten tenths are a little less than one
        self._sampled[name] = due - 1.0 if is_due else due
        request.waf_skipped = not is_due
        return is_due

    def _share(self, request: Request) -> float:
        route = request.route.config if request.route is not None else None
        return self._config.sample if route is None or route.waf_sample is None else route.waf_sample

    def _by_threshold(self, request: Request, verdict: WafVerdict) -> WafVerdict:
        """The verdict under this route's threshold; a refusal for another reason than points stays."""
        route = request.route
        wanted = route.config.waf_threshold if route is not None else None
        if wanted is None or (verdict.action == "block" and not verdict.by_score):
            return verdict
        reached = verdict.sum_max >= max(1, wanted)
        return replace(verdict, threshold=wanted, action="block" if reached else "pass", by_score=reached)

    def take_found(self) -> list[dict[str, Any]]:
        """The audit records since the last time."""
        found = list(self.found)
        self.found.clear()
        return found

    def _answer(
        self,
        request: Request,
        seen: WafRequest,
        verdict: WafVerdict,
        mode: str,
        now: float,
        unix_now: float,
    ) -> Answer | None:
        verdict = self._settle(request, seen, self._by_threshold(request, verdict), mode, unix_now)
        if verdict.action != "block":
            return CONTINUE
        if self._offenders.strike(request.source, now):
            self.bans.append((request.source, self._config.ban_s))
        return _refusal(verdict, "The request was refused by the firewall.")

    def _settle(
        self, request: Request, seen: WafRequest, verdict: WafVerdict, mode: str, unix_now: float
    ) -> WafVerdict:
        """What the mode makes of `verdict`, noted, written down and counted."""
        if mode == "detect" and verdict.action == "block":
            verdict = replace(verdict, action="detect")
        request.waf = verdict
        request.note("waf", "%s", verdict.reason)
        self._write_down(request, seen, verdict, mode, unix_now)
        if verdict.action != "pass":
            counts = self.blocked if verdict.action == "block" else self.detected
            for match in verdict.matches:
                rule = str(match.id)
                counts[rule] = counts.get(rule, 0) + 1
        return verdict

    def _write_down(
        self, request: Request, seen: WafRequest, verdict: WafVerdict, mode: str, unix_now: float
    ) -> None:
        if len(self.found) >= FOUND_MAX:
            self.found_lost += 1
            return
        self.found.append(
            audit_record(
                verdict,
                seen,
                request_id=request.trace.trace_id,
                route=request.route.name if request.route is not None else "",
                mode=mode,
                unix_s=unix_now,
            )
        )


def _refusal(verdict: WafVerdict, detail: str) -> Answer:
    return Answer(status=verdict.status, reason="WAF", detail=detail, why=f"waf: {verdict.reason}")


def _seen(request: Request) -> WafRequest:
    headers = request.headers
    for name, value in headers:
        if name in _TRACE and _TRACE_VALUE.fullmatch(value):
            headers = tuple(
                [pair for pair in headers if pair[0] not in _TRACE or not _TRACE_VALUE.fullmatch(pair[1])]
            )
            break
    return WafRequest(request.source, request.method, request.target, "HTTP/1.1", headers)
