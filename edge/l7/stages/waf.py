"""Does this look like an attack?

A thin stage around `edge.l7.waf.inspector`: it asks where the route wants it to,
and turns a verdict into an answer.  The head is judged in its place in the
pipeline; a body is judged when its beginning is here and before any of it goes to
a service.

Trace headers are left out of what is inspected when they have their proper form.
They differ in each request, and with them the inspector's memory would never hit.

State: the inspector's, and the offenders' strikes.
"""

import re
from typing import Final

from edge.common.config import WafConfig
from edge.l7.request import Request
from edge.l7.stages.offenders import Offenders
from edge.l7.verdict import CONTINUE, Answer
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.request import PASS, WafRequest, WafVerdict

_TRACE: Final = frozenset((b"traceparent", b"x-request-id"))
_TRACE_VALUE: Final = re.compile(rb"[0-9a-f-]{1,64}")
_INSPECTED: Final = (
    b"application/x-www-form-urlencoded", b"multipart/form-data", b"application/json", b"text/",
    b"application/xml",
)  # fmt: skip


class Waf:
    """The stage: lets pass or answers with what the rules say (403, 400, 413)."""

    def __init__(self, config: WafConfig, inspector: Inspector) -> None:
        self._config = config
        self.inspector = inspector
        self._offenders = Offenders(config.ban_after, config.ban_s)
        self.bans: list[tuple[str, float]] = []  # source, seconds; taken and cleared by the worker
        self.blocked: dict[str, int] = {}  # by rule, for the metrics

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Judge the head."""
        mode = self._mode(request)
        if mode == "off":
            return CONTINUE
        verdict = self.inspector.inspect_head(_seen(request), unix_now)
        return CONTINUE if verdict is PASS else self._answer(request, verdict, mode, now)

    def bytes_wanted(self, request: Request) -> int:
        """How much of the body must be here before it is judged; 0: none, it is a picture or the like."""
        if self._mode(request) == "off":
            return 0
        kind = (request.header(b"content-type") or b"").lower()
        if kind and not kind.startswith(_INSPECTED):
            return 0
        return self._config.body_bytes_max + 1  # one more, so that too much is seen as such

    def judge_body(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Judge head and `request.body_prefix` together."""
        verdict = self.inspector.inspect_body(_seen(request), request.body_prefix, unix_now)
        return CONTINUE if verdict is PASS else self._answer(request, verdict, self._mode(request), now)

    def _mode(self, request: Request) -> str:
        route = request.route
        if route is None or route.config.waf is None:
            return self._config.mode
        return route.config.waf

    def _answer(self, request: Request, verdict: WafVerdict, mode: str, now: float) -> Answer | None:
        request.waf = verdict
        request.note("waf", "%s", verdict.reason)
        if verdict.action != "block" or mode != "block":
            return CONTINUE
        for match in verdict.matches:
            rule = str(match.id)
            self.blocked[rule] = self.blocked.get(rule, 0) + 1
        if self._offenders.strike(request.source, now):
            self.bans.append((request.source, self._config.ban_s))
        return Answer(
            status=verdict.status,
            reason="WAF",
            detail="The request was refused by the firewall.",
            why=f"waf: {verdict.reason}",
        )


def _seen(request: Request) -> WafRequest:
    headers = request.headers
    for name, value in headers:
        if name in _TRACE and _TRACE_VALUE.fullmatch(value):
            headers = tuple(
                [pair for pair in headers if pair[0] not in _TRACE or not _TRACE_VALUE.fullmatch(pair[1])]
            )
            break
    return WafRequest(request.source, request.method, request.target, "HTTP/1.1", headers)
