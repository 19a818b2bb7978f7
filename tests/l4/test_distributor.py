"""Which worker gets this connection, and who still counts as a worker?"""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import AdmissionConfig, Balance
from edge.common.handover import Credit
from edge.l4.admission import Admission, Refusal
from edge.l4.distributor import Distributor, Placement

ADA = bytes([203, 0, 113, 9])
GENEROUS = AdmissionConfig(source_rate_per_s=1e6, source_burst=100_000, source_connections_max=100_000)


def distributor(policy: Balance = "least-connections", workers: int = 2, **options: Any) -> Distributor:
    made = Distributor(Admission(GENEROUS), policy, Random(1), **options)
    for number in range(workers):
        made.linked(f"l7-{number + 1}", now=0.0)
    return made


def place(keeper: Distributor, now: float = 1.0) -> Placement:
    placement = keeper.place(ADA, 40112, now)
    assert isinstance(placement, Placement)
    keeper.sent(placement.worker, 1)
    return placement


def test_least_connections_counts_down_as_well_as_up() -> None:
    """A worker whose connections ended gets the next ones; counting only upwards it never would."""
    keeper = distributor()
    for _ in range(6):
        place(keeper)
    keeper.credited("l7-1", Credit(taken=3, open=3), now=1.0)
    keeper.credited("l7-2", Credit(taken=3, open=0, closed=[1, 3, 5]), now=1.0)

    following = [place(keeper).worker.name for _ in range(3)]

    assert following == ["l7-2"] * 3


def test_least_connections_is_right_after_a_worker_restarted() -> None:
    """Its connections died with it; believing the old count would starve it for ever."""
    keeper = distributor()
    for _ in range(10):
        place(keeper)

    keeper.unlinked("l7-1", now=2.0)
    keeper.linked("l7-1", now=2.1)
    following = Counter(place(keeper).worker.name for _ in range(5))

    assert following == {"l7-1": 5}
    assert len(keeper.connections) == 10


def test_least_connections_is_right_for_an_l4_that_was_never_told() -> None:
    """After a failover the workers' own counts say who is busy with the dead L4's connections."""
    keeper = distributor()
    keeper.credited("l7-1", Credit(taken=0, open=500), now=1.0)
    keeper.credited("l7-2", Credit(taken=0, open=498), now=1.0)

    following = Counter(place(keeper).worker.name for _ in range(4))

    assert following["l7-2"] == 3


def test_a_closed_connection_frees_its_sources_share() -> None:
    """The cap on connections of a source is about those that are open."""
    keeper = distributor()
    placed = place(keeper)
    open_before = keeper.admission.open_of(ADA)

    keeper.credited(placed.worker.name, Credit(taken=1, open=0, closed=[placed.ticket]), now=1.0)

    assert (open_before, keeper.admission.open_of(ADA)) == (1, 0)


def test_a_dead_workers_connections_free_their_sources() -> None:
    """Nobody will ever send credits for them; only what it had not taken lives on."""
    keeper = distributor(workers=1)
    placed = [place(keeper) for _ in range(3)]

    keeper.unlinked("l7-1", now=2.0, untaken=[placed[2].ticket])

    assert keeper.admission.open_of(ADA) == 1
    keeper.linked("l7-2", now=2.0)
    again = keeper.place_again(ADA, placed[2].ticket, now=2.0)
    assert again is not None
    assert again.worker.name == "l7-2"


def test_a_worker_that_stops_crediting_gets_no_more() -> None:
    """Otherwise descriptors pile up in the socket of a worker that is stuck."""
    keeper = distributor(workers=1, credit_max=3)

    for _ in range(3):
        place(keeper)
    full = keeper.can_place()
    keeper.credited("l7-1", Credit(taken=1, open=1), now=1.0)

    assert not full
    assert keeper.can_place()


def test_a_full_worker_is_left_out_while_others_are_not() -> None:
    """One stuck worker must not stop the accepting for all."""
    keeper = distributor("weighted", credit_max=2)
    keeper.credited("l7-2", Credit(taken=0, open=0), now=1.0)

    names = []
    for _ in range(6):
        placement = place(keeper)
        names.append(placement.worker.name)
        if placement.worker.name == "l7-2":
            keeper.credited("l7-2", Credit(taken=placement.worker.sent, open=1), now=1.0)

    assert Counter(names) == {"l7-1": 2, "l7-2": 4}


def test_a_draining_worker_gets_nothing_new() -> None:
    """It said so itself, in a credit."""
    keeper = distributor("weighted")
    keeper.credited("l7-1", Credit(taken=0, open=5, draining=True), now=1.0)

    assert {place(keeper).worker.name for _ in range(4)} == {"l7-2"}


def test_weights_of_the_hub_are_shares() -> None:
    """`edge weight l7-1 50`."""
    keeper = distributor("weighted")
    keeper.set_weight("l7-1", 50, now=1.0)

    assert Counter(place(keeper).worker.name for _ in range(30)) == {"l7-1": 10, "l7-2": 20}


@pytest.mark.parametrize(
    ("unwell", "mood", "candidates"),
    [(0, "calm", 4), (1, "calm", 3), (2, "calm", 2), (3, "panic", 4), (4, "panic", 4)],
)
def test_when_most_look_unwell_the_measurement_is_doubted(unwell: int, mood: str, candidates: int) -> None:
    """Sending everything to the one worker that still answers would finish it."""
    keeper = distributor("weighted", workers=4)
    for number in range(unwell):
        keeper.set_well(f"l7-{number + 1}", False, now=1.0)

    assert (keeper.mood, keeper.candidates) == (mood, candidates)


def test_with_all_drained_by_hand_the_last_resort_serves() -> None:
    """A phone that is here can only be served here."""
    keeper = distributor("weighted")
    keeper.set_weight("l7-1", 0, now=1.0)
    one_drained = {place(keeper).worker.name for _ in range(3)}
    keeper.set_weight("l7-2", 0, now=1.0)

    assert one_drained == {"l7-2"}
    assert keeper.mood == "last-resort"
    assert {place(keeper).worker.name for _ in range(3)} == {"l7-1", "l7-2"}


def test_with_nobody_linked_nothing_is_accepted() -> None:
    """Connections wait in the kernel's queue, which is longer than a restart takes."""
    keeper = distributor(workers=0)

    assert not keeper.can_place()
    assert keeper.place(ADA, 1, now=1.0) is None
    assert keeper.admission.open_of(ADA) == 0


def test_a_refusal_reaches_no_worker() -> None:
    """Admission comes first."""
    keeper = distributor()
    keeper.admission.ban("203.0.113.9", until=100.0)

    assert keeper.place(ADA, 1, now=1.0) is Refusal.BANNED
    assert len(keeper.connections) == 0


def test_a_newcomer_starts_slowly_where_asked_to() -> None:
    """Cold caches; a tenth of its share to begin with."""
    keeper = distributor("weighted", slow_start_s=10.0)
    keeper.refresh(now=100.0)
    keeper.linked("l7-3", now=100.0)

    share = Counter(place(keeper, now=100.0).worker.name for _ in range(210))

    assert share == {"l7-1": 100, "l7-2": 100, "l7-3": 10}


def test_a_wrong_count_of_a_worker_is_kept_within_reason() -> None:
    """A worker that claims to have taken more than was sent must not get a negative load."""
    keeper = distributor(workers=1)
    place(keeper)

    keeper.credited("l7-1", Credit(taken=1000, open=0), now=1.0)

    assert keeper.workers["l7-1"].load() == 0


@pytest.mark.parametrize("policy", ["weighted", "two-choices", "least-connections", "hash"])
def test_asking_where_a_flow_would_go_is_right_and_changes_nothing(policy: Balance) -> None:
    """An explanation that moves the rotation on would be part of the problem."""
    keeper = distributor(policy, workers=3)

    for _ in range(6):
        foretold = [keeper.would_choose(ADA, now=1.0)[0] for _ in range(3)]
        chosen = place(keeper).choice
        assert foretold == [chosen] * 3


@given(st.lists(st.tuples(st.sampled_from("plcdw"), st.integers(0, 2)), max_size=80), st.integers(0, 2**16))
def test_whatever_happens_counts_agree_with_each_other(steps: list[tuple[str, int]], seed: int) -> None:
    """Admission's open count, the table and the sum over workers are one truth told three times."""
    keeper = distributor("two-choices", workers=3, credit_max=5)
    dice = Random(seed)
    for step, number in steps:
        name = f"l7-{number + 1}"
        worker = keeper.workers[name]
        rows = [row for row in keeper.connections.rows(1000) if row.link == worker.link]
        if step == "p" and keeper.can_place():
            place(keeper)
        elif step == "l" and not worker.linked:
            keeper.linked(name, now=1.0)
        elif step == "c" and worker.linked:
            closed = [row.ticket for row in rows if dice.random() < 0.5]
            keeper.credited(name, Credit(worker.sent, len(rows) - len(closed), closed), now=1.0)
        elif step == "d":
            keeper.unlinked(name, now=1.0)
        elif step == "w":
            keeper.set_weight(name, dice.choice([0, 50, 100]), now=1.0)

    assert keeper.admission.open_total == len(keeper.connections) == keeper.admission.open_of(ADA)
    linked = {worker.link for worker in keeper.workers.values() if worker.linked}
    assert all(row.link in linked for row in keeper.connections.rows(1000))
    assert keeper.can_place() == any(
        worker.linked and not worker.draining and worker.sent - worker.taken < 5
        for worker in keeper.workers.values()
        if keeper.mood == "last-resort" or worker.weight > 0
    )
