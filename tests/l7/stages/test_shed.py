"""Too much to do: who goes first, and by which sign."""

from edge.common.config import RouteConfig, ShedConfig
from edge.l7.request import Request
from edge.l7.stages.route_table import make_route
from edge.l7.stages.shed import Shed

CONFIG = ShedConfig(requests_max=100, requests_min=10, lag_ms_target=50.0, lag_s=1.0, backoff=0.8)


class Worker:
    def __init__(self, under_way: int = 0) -> None:
        self.under_way = under_way
        self.shed = Shed(CONFIG, lambda: self.under_way)

    def late(self, ticks: int = 5, lag_s: float = 0.2) -> None:
        """The loop is late at `ticks` ticks in a row; the fifth completes a second."""
        for tick in range(ticks):
            self.shed.tick(lag_s, now=100.0 + tick * 0.25)

    def passes(self, priority: int) -> bool:
        request = Request("GET", b"/", ())
        request.route = make_route(RouteConfig(path="/", cluster="c", shed_priority=priority))
        return self.shed(request, 0.0, 0.0) is None


def test_the_less_important_are_refused_first() -> None:
    """Ads at half, the feed at all of the limit."""
    admitted = {load: [p for p in (0, 5, 9) if Worker(load).passes(p)] for load in (49, 50, 78, 99, 100)}

    assert admitted == {49: [0, 5, 9], 50: [5, 9], 78: [9], 99: [9], 100: []}


def test_a_late_loop_lowers_the_limit_from_where_we_are() -> None:
    """A limit that was never reached says nothing."""
    worker = Worker(under_way=40)

    worker.late()

    assert worker.shed.limit == 32.0
    assert not worker.passes(9)


def test_a_burst_that_is_over_within_a_second_changes_nothing() -> None:
    """A thousand handshakes at once are late, and then done: nobody has to be refused."""
    worker = Worker(under_way=40)

    worker.late(ticks=4)
    worker.shed.tick(0.0, now=101.0)
    worker.late(ticks=4)

    assert worker.shed.limit == 100.0


def test_a_loop_on_time_raises_it_slowly_up_to_the_maximum() -> None:
    """Additive increase: trouble that was just over is not invited back at once."""
    worker = Worker(under_way=40)
    worker.late()

    worker.shed.tick(0.0, now=102.0)
    after_one = worker.shed.limit
    for _ in range(200):
        worker.shed.tick(0.0, now=103.0)

    assert 32.0 < after_one < 36.0
    assert worker.shed.limit == 100.0


def test_some_requests_always_pass() -> None:
    """A worker that refuses everything would never see that it could."""
    worker = Worker(under_way=1)
    worker.late(ticks=100, lag_s=1.0)

    assert worker.shed.limit == 10.0
    assert worker.passes(0)


def test_the_answer_says_when_to_come_back_the_least_important_later() -> None:
    """503 with Retry-After (RFC 9110 section 15.6.4)."""
    worker = Worker(under_way=100)
    request = Request("GET", b"/", ())

    answer = worker.shed(request, 0.0, 0.0)

    assert answer is not None
    assert (answer.status, answer.reason, answer.retry_after_s) == (503, "SHED", 3.0)
    assert worker.shed.refused == 1


def test_a_new_configuration_cannot_lift_what_the_load_has_taught() -> None:
    """A reload in the middle of an overload."""
    worker = Worker(under_way=40)
    worker.late()

    worker.shed.reload(ShedConfig(requests_max=1000))

    assert worker.shed.limit == 32.0
