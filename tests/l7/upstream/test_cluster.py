"""Which copy gets the request: membership, health, ejection, panic, limits."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import BreakerConfig, ClusterConfig, HealthConfig, RetryConfig, ServiceConfig
from edge.common.messages import Member
from edge.l7.upstream.cluster import RETURN_S, Cluster
from edge.l7.upstream.endpoints import Endpoint

NO_BREAKER = BreakerConfig(failure_share=0.0)


class Dice:
    """Always the same number."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def cluster(count: int = 4, **more: Any) -> Cluster:
    fields: dict[str, Any] = {"balance": "round-robin", "breaker": NO_BREAKER} | more
    addresses = tuple(f"h:{number}" for number in range(count))
    return Cluster(ClusterConfig(name="c", endpoints=addresses, **fields), 0.0, Dice())


def picks(of: Cluster, now: float = 1.0, count: int = 40) -> set[str]:
    found = [of.pick(None, (), now, random.Random(number)) for number in range(count)]
    return {pick.endpoint for pick in found if pick is not None}


def fail(of: Cluster, endpoint: str, now: float, times: int = 5) -> None:
    for _ in range(times):
        of.started(endpoint)
        of.finished(endpoint, False, 0.1, now)


def check(of: Cluster, address: str, ok: bool, now: float, times: int) -> None:
    for _ in range(times):
        of.checked(Endpoint(address, address), ok, "test", now)


def test_all_endpoints_get_work_and_excluded_ones_do_not() -> None:
    """A retry goes to another endpoint, if there is one: else the same is better than none."""
    of = cluster(2)

    assert picks(of) == {"h:0", "h:1"}
    assert all(of.pick(None, {"h:0"}, 1.0, Dice()).endpoint == "h:1" for _ in range(5))  # type: ignore[union-attr]
    again = of.pick(None, {"h:0", "h:1"}, 1.0, Dice())
    assert again is not None
    assert again.why == "again: nobody else is left"


def test_nobody_at_all_is_a_refusal_that_says_so() -> None:
    """UH: there is no endpoint that takes new work."""
    of = feed()
    of.update([member("feed-1", state="draining")], 1.0)

    assert of.pick(None, (), 1.0, Dice()) is None
    assert of.refusal(1.0).flag == "UH"


def test_one_that_fails_checks_gets_nothing_until_it_has_recovered() -> None:
    """Active checks find the sick before the phones do."""
    of = cluster()

    check(of, "h:1", False, 1.0, times=3)
    sick = picks(of)
    check(of, "h:1", True, 2.0, times=2)

    assert sick == {"h:0", "h:2", "h:3"}
    assert picks(of) == {"h:0", "h:1", "h:2", "h:3"}


def test_one_that_fails_requests_is_ejected_and_comes_back_by_itself() -> None:
    """Phones find the sick between two checks."""
    of = cluster()
    fail(of, "h:2", now=1.0)

    away = picks(of, now=2.0)
    back = picks(of, now=31.1)

    assert away == {"h:0", "h:1", "h:3"}
    assert back == {"h:0", "h:1", "h:2", "h:3"}


def test_a_successful_check_ends_an_ejection() -> None:
    """Thirty seconds are long for a service that was back after one."""
    of = cluster()
    fail(of, "h:2", now=1.0)

    check(of, "h:2", True, 2.0, times=1)

    assert "h:2" in picks(of, now=3.0)


def test_no_more_than_their_share_are_ejected_but_one_always_may_be() -> None:
    """An outage of everything behind the endpoints must not empty the cluster."""
    many, two = cluster(4), cluster(2, health=HealthConfig(eject_share_max=0.1, panic_below=0.0))
    for number in range(4):
        fail(many, f"h:{number}", now=1.0)
    for number in range(2):
        fail(two, f"h:{number}", now=1.0)

    assert len(picks(many, now=2.0)) == 2
    assert len(picks(two, now=2.0)) == 1


def test_below_the_panic_threshold_everybody_is_used_and_the_reason_says_so() -> None:
    """Fail open: broken checks are likelier than everybody being broken."""
    of = cluster()
    for number in range(3):
        check(of, f"h:{number}", False, 1.0, times=3)

    pick = of.pick(None, (), 1.0, Dice())

    assert picks(of) == {"h:0", "h:1", "h:2", "h:3"}
    assert pick is not None
    assert "panic: only 1 of 4 are well" in pick.why


def member(name: str, pid: int = 1, **more: Any) -> Member:
    fields: dict[str, Any] = {"tier": "service", "service": "feed", "state": "live"}
    return Member(name=name, pid=pid, address=f"127.0.0.1:{name[-1]}", **(fields | more))


def feed() -> Cluster:
    services = (ServiceConfig(name="feed", instances=2, port=7100),)
    config = ClusterConfig(name="feed", service="feed", balance="round-robin", breaker=NO_BREAKER)
    return Cluster(config, 0.0, Dice(), services)


def test_the_hub_replaces_what_the_configuration_assumed() -> None:
    """And where it knows nobody, the fixed ports are better than nothing."""
    of = feed()
    before = picks(of)
    gone = of.update([member("feed-7"), member("feed-8")], 1.0)
    with_hub = picks(of)
    of.update([], 2.0)
    of.expire(2.0 + RETURN_S)

    assert before == {"feed-1", "feed-2"}
    assert with_hub == {"feed-7", "feed-8"}
    assert gone == ["127.0.0.1:7100", "127.0.0.1:7101"]
    assert picks(of) == {"feed-1", "feed-2"}


def test_a_service_that_left_a_moment_ago_is_worth_waiting_for() -> None:
    """A restart of the only copy is a pause, not an outage; an outage is told at once."""
    of = feed()
    never = of.returns_soon(0.5)
    of.update([member("feed-7")], 1.0)
    while_it_is_there = of.returns_soon(1.5)
    of.update([member("feed-7", state="draining")], 2.0)
    draining = of.returns_soon(2.1)
    of.update([], 2.5)
    gone = of.returns_soon(2.5 + 0.1), of.pick(None, (), 2.6, Dice())
    too_long = of.returns_soon(2.0 + RETURN_S)
    of.update([member("feed-7", pid=2)], 9.0)

    assert (never, while_it_is_there, draining) == (False, False, True)
    assert gone == (True, None)
    assert too_long is False
    assert of.returns_soon(9.0) is False
    assert picks(of) == {"feed-7"}


def test_no_more_may_wait_than_the_cluster_allows() -> None:
    """A crowd that waits is memory."""
    of = feed()
    of.update([member("feed-7")], 1.0)
    of.update([], 2.0)

    of.waiting = of.config.pending_max

    assert of.returns_soon(2.1) is False


def test_a_draining_member_gets_no_new_work() -> None:
    """Rolling restarts lose no request because of this line."""
    of = feed()

    of.update([member("feed-1", state="draining"), member("feed-2"), member("feed-3", weight=0)], 1.0)

    assert picks(of) == {"feed-2"}


def test_a_restarted_process_starts_with_a_clean_slate_and_others_keep_theirs() -> None:
    """Same name, another pid: it has done nothing wrong yet."""
    of = feed()
    of.update([member(f"feed-{number}") for number in (1, 2, 3, 4)], 1.0)
    fail(of, "feed-1", 1.0)
    fail(of, "feed-2", 1.0)

    of.update([member("feed-1", pid=2), *(member(f"feed-{number}") for number in (2, 3, 4))], 2.0)

    assert picks(of, now=3.0) == {"feed-1", "feed-3", "feed-4"}


def test_a_bound_phone_stays_as_long_as_its_endpoint_is_well() -> None:
    """Affinity is a preference, never a reason to fail."""
    of = cluster()

    bound = [of.pick(None, (), 1.0, Dice(), prefer="h:3") for _ in range(4)]
    check(of, "h:3", False, 1.0, times=3)
    moved = of.pick(None, (), 1.0, Dice(), prefer="h:3")

    assert {pick.endpoint for pick in bound if pick} == {"h:3"}
    assert moved is not None
    assert moved.endpoint != "h:3"


def test_a_newcomer_takes_over_slowly() -> None:
    """Cold caches and no pooled connections: a tenth to begin with."""
    of = Cluster(
        ClusterConfig(
            name="feed",
            service="feed",
            balance="weighted",
            breaker=NO_BREAKER,
            health=HealthConfig(slow_start_s=30.0),
        ),
        0.0,
        Dice(),
    )
    of.update([member("feed-1")], 0.0)
    of.update([member("feed-1"), member("feed-2")], 100.0)

    def share(now: float) -> float:
        return sum(of.pick(None, (), now, Dice()).endpoint == "feed-2" for _ in range(220)) / 220  # type: ignore[union-attr]

    assert share(100.0) < 0.12
    assert 0.25 < share(116.0) < 0.4
    assert share(131.0) == 0.5


def test_too_many_at_once_are_refused_and_the_flag_says_so() -> None:
    """A queue without bound is an outage with a delay."""
    of = cluster(2, requests_max=3)
    for _ in range(3):
        of.started("h:0")

    assert of.pick(None, (), 1.0, Dice()) is None
    assert of.refusal(1.0).flag == "UO"
    of.finished("h:0", True, 0.1, 1.0)
    assert of.pick(None, (), 1.0, Dice()) is not None


def test_when_everybody_fails_the_breaker_answers_at_once() -> None:
    """Ejection stops at its share; the breaker doesn't."""
    of = cluster(2, breaker=BreakerConfig(failure_share=0.9, requests_min=20))
    fail(of, "h:0", 1.0, times=10)
    fail(of, "h:1", 1.0, times=10)

    assert of.pick(None, (), 1.1, Dice()) is None
    assert of.refusal(1.1).flag == "UO"
    assert of.pick(None, (), 4.0, Dice()) is not None


def test_the_idle_one_is_preferred_by_what_is_really_under_way() -> None:
    """The cluster lends its counts to the balancer."""
    of = cluster(2, balance="least-connections")
    of.started("h:0")

    assert picks(of) == {"h:1"}
    of.abandoned("h:0")
    assert picks(of) == {"h:0", "h:1"}


def test_retries_are_paid_from_the_clusters_budget() -> None:
    """First tries pay in, retries do not."""
    of = cluster(2, retry=RetryConfig(budget=0.5, concurrent_min=1))
    for _ in range(2):
        of.started("h:0")
    of.started("h:0", retry=True)

    assert [of.may_retry(0.0) for _ in range(3)] == [True, True, False]


def test_checks_come_when_they_are_due_and_not_while_one_runs() -> None:
    """The shell asks `due_checks` and carries them out."""
    of = cluster(2, health=HealthConfig(interval_s=2.0, timeout_s=1.0))

    assert of.next_check_at() == 1.0
    assert len(of.due_checks(1.0)) == 2
    assert of.due_checks(1.1) == []


def test_a_late_result_of_a_process_that_was_replaced_counts_for_nobody() -> None:
    """Its successor has another pid."""
    of = feed()
    of.update([member("feed-1", pid=1)], 0.0)
    old = of.due_checks(10.0)[0]
    of.update([member("feed-1", pid=2)], 11.0)

    for _ in range(5):
        assert not of.checked(old, False, "refused", 12.0)


def test_it_explains_itself() -> None:
    """`edge top` and the console show this."""
    of = cluster(1)
    of.started("h:0")

    told = of.explain()

    assert told["active"] == 1
    assert told["endpoints"][0]["in_flight"] == 1


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "ok", "down", "up", "wait"]), st.integers(0, 3)), max_size=80)
)
def test_whatever_happens_somebody_is_picked(events: list[tuple[str, int]]) -> None:
    """With endpoints that take work, a phone is never refused because of what we believe of their health."""
    of = cluster(4)
    now = 1.0
    for event, number in events:
        now += 5.0 if event == "wait" else 0.01
        if event in ("fail", "ok"):
            of.started(f"h:{number}")
            of.finished(f"h:{number}", event == "ok", 0.1, now)
        elif event != "wait":
            check(of, f"h:{number}", event == "up", now, times=1)

        assert of.pick(None, (), now, Dice(0.3)) is not None
    assert of.active == 0
