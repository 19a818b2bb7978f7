"""In which order is a request judged?

One list, written out here and nowhere else.  A stage is a pure decision

    stage(request, now, unix_now) -> Answer | Wait | None

that lets the request pass (None), answers it, or annotates it for the stages
behind it.  `route` stands near the front, because whether a WAF looks, whether
a login is needed and which limits hold are properties of the route.

    normalise   one spelling of the path, or 400
    route       which line of the table; redirects, canned answers; 404, unless it is an attack (see waf)
    caller      403 for who is no known internal caller; there only where a route has `callers`
    waf         403 for what looks like an attack
    auth        who is it for?  401, 403
    ratelimit   429
    experiment  which variants?
    shed        503 for the least important when there is too much to do
    cache       answered from memory, or remembered on its way back

The first stages ask nothing but the head, so what they found is kept with a head that is
remembered (`edge.l7.passed`) and they are not asked again: those that have a `same_until`.

Behind the list the connection picks an endpoint and forwards.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from edge.l7.http1.head import Known
from edge.l7.passed import Passed
from edge.l7.request import Request
from edge.l7.verdict import Answer, Verdict, Wait

ORDER = ("normalise", "route", "caller", "waf", "auth", "ratelimit", "experiment", "shed", "cache")

Stage = Callable[[Request, float, float], Verdict]
# Of a stage that has let a request pass: until when (Unix time) it does the same with every request that
# has this head, whoever sends it; 0: it cannot promise that.
SameUntil = Callable[[Request], float]

NS_PER_S = 1e-9


class Pipeline:
    """The stages that this worker runs, in `ORDER`."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        assert set(stages) <= set(ORDER), f"no such stage: {set(stages) - set(ORDER)}"
        self.names = tuple(name for name in ORDER if name in stages)
        self._stages = tuple(stages[name] for name in self.names)
        promising = takewhile(lambda stage: hasattr(stage, "same_until"), self._stages)
        self._same_until: tuple[SameUntil, ...] = tuple(stage.same_until for stage in promising)  # type: ignore[attr-defined]
        # What is kept with a head names us by this, or it would keep in memory a firewall
        # that a reload has replaced.
        self._token = object()
        self._of_head = self._stages[: len(self._same_until)]
        self._of_moment = self._stages[len(self._same_until) :]

    def run(
        self,
        request: Request,
        clock_ns: Callable[[], int],
        unix_now: float,
        start: int = 0,
        known: Known | None = None,
    ) -> Verdict:
        """Judge `request`, from stage number `start` on.  `known`: its head is one that came before.

        Writes into `request.marks` when each stage was done, which is what the
        trace's stage spans are made of: a clock reading costs 0.1 us.
        """
        marks = request.marks
        at = clock_ns()
        if known is None:
            marks.append(at)
            return _walk(self._stages[start:] if start else self._stages, request, at, clock_ns, unix_now)
        passed = known.passed
        if passed is not None and passed.by is self._token and unix_now < passed.until_unix:
            marks += [at] * (1 + len(self._of_head))
            passed.recall(request)
        else:
            marks.append(at)
            verdict = _walk(self._of_head, request, at, clock_ns, unix_now)
            if verdict is not None:
                return verdict
            self._remember(request, known, unix_now)
            at = marks[-1]
        return _walk(self._of_moment, request, at, clock_ns, unix_now)

    def _remember(self, request: Request, known: Known, unix_now: float) -> None:
        if request.why or not self._of_head:
            return  # there was something to explain, so it is explained each time
        until_unix = min(same_until(request) for same_until in self._same_until)
        if until_unix > unix_now:
            known.passed = request.passed = Passed(
                self._token, until_unix, request, self.names[len(self._of_head) - 1]
            )

    def stopped_at(self, request: Request, start: int = 0) -> int:
        """The number of the stage that spoke last."""
        return start + len(request.marks) - 2


def _walk(
    stages: Sequence[Stage], request: Request, at: int, clock_ns: Callable[[], int], unix_now: float
) -> Verdict:
    marks = request.marks
    for stage in stages:
        verdict = stage(request, at * NS_PER_S, unix_now)
        at = clock_ns()
        marks.append(at)
        if verdict is not None:
            return verdict
    return None


__all__ = ["ORDER", "Answer", "Pipeline", "Stage", "Verdict", "Wait"]
