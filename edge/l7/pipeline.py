"""In which order is a request judged?

One list, written out here and nowhere else.  A stage is a pure decision

    stage(request, now, unix_now) -> Answer | Wait | None

that lets the request pass (None), answers it, or annotates it for the stages
behind it.  `route` stands near the front, because whether a WAF looks, whether
a login is needed and which limits hold are properties of the route.

    normalise   one spelling of the path, or 400
    route       which line of the table; 404, redirects, canned answers
    caller      403 for who is no known internal caller; there only where a route has `callers`
    waf         403 for what looks like an attack
    auth        who is it for?  401, 403
    ratelimit   429
    experiment  which variants?
    shed        503 for the least important when there is too much to do
    cache       answered from memory, or remembered on its way back

Behind the list the connection picks an endpoint and forwards.
"""

from collections.abc import Callable, Mapping

from edge.l7.request import Request
from edge.l7.verdict import Answer, Verdict, Wait

ORDER = ("normalise", "route", "caller", "waf", "auth", "ratelimit", "experiment", "shed", "cache")

Stage = Callable[[Request, float, float], Verdict]

NS_PER_S = 1e-9


class Pipeline:
    """The stages that this worker runs, in `ORDER`."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        assert set(stages) <= set(ORDER), f"no such stage: {set(stages) - set(ORDER)}"
        self.names = tuple(name for name in ORDER if name in stages)
        self._stages = tuple(stages[name] for name in self.names)

    def run(self, request: Request, clock_ns: Callable[[], int], unix_now: float, start: int = 0) -> Verdict:
        """Judge `request`, from stage number `start` on.

        Writes into `request.marks` when each stage was done, which is what the
        trace's stage spans are made of: a clock reading costs 0.1 us.
        """
        marks = request.marks
        at = clock_ns()
        marks.append(at)
        for stage in self._stages[start:] if start else self._stages:
            verdict = stage(request, at * NS_PER_S, unix_now)
            at = clock_ns()
            marks.append(at)
            if verdict is not None:
                return verdict
        return None

    def stopped_at(self, request: Request, start: int = 0) -> int:
        """The number of the stage that spoke last."""
        return start + len(request.marks) - 2


__all__ = ["ORDER", "Answer", "Pipeline", "Stage", "Verdict", "Wait"]
