"""What an L4 answers when it is asked about itself."""

from random import Random

import msgpack

from edge.common.config import AdmissionConfig
from edge.common.handover import Credit
from edge.common.metrics import Registry
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor, Placement
from edge.l4.report import explain_drain, explain_flow, open_connections, statistics

ADA = bytes([203, 0, 113, 9])
WHO = {"name": "l4-mumbai-a", "role": "active", "epoch": 3}


def busy() -> Distributor:
    keeper = Distributor(Admission(AdmissionConfig()), "hash", Random(1))
    keeper.linked("l7-1", now=0.0)
    keeper.linked("l7-2", now=0.0)
    placement = keeper.place(ADA, 40112, now=5.0)
    assert isinstance(placement, Placement)
    keeper.sent(placement.worker, 1)
    keeper.credited(placement.worker.name, Credit(taken=1, open=1), now=5.0)
    return keeper


def test_a_flow_is_found_and_the_next_one_foretold() -> None:
    """`edge explain flow 203.0.113.9:40112`."""
    keeper = busy()

    answer = explain_flow(keeper, WHO, {"source": "203.0.113.9", "port": 40112}, now=7.0)

    assert [(row["port"], row["for_s"]) for row in answer["open"]] == [(40112, 2.0)]
    assert answer["open"][0]["worker"] == answer["choice"]
    assert answer["why"].startswith("owns slot ")
    assert (answer["source_open"], answer["banned"], answer["depends_on_source"]) == (1, False, True)
    msgpack.packb(answer)


def test_a_flow_that_is_no_address_is_an_answer_and_no_failure() -> None:
    """The question comes from a person."""
    assert "error" in explain_flow(busy(), WHO, {"source": "somewhere"}, now=7.0)


def test_a_drain_is_counted_before_anyone_does_it() -> None:
    """How many live connections, and what is needed to say how much of the hash space."""
    keeper = busy()
    name = next(worker.name for worker in keeper.workers.values() if worker.open)

    answer = explain_drain(keeper, WHO, {"worker": name})

    assert (answer["live_here"], answer["open"]) == (1, 1)
    assert answer["weights"] == {"l7-1": 1.0, "l7-2": 1.0}
    assert "error" in explain_drain(keeper, WHO, {"worker": "l7-9"})
    msgpack.packb(answer)


def test_statistics_tell_what_became_of_connections() -> None:
    """For `edge top` and the console."""
    keeper = busy()
    counters = Counters(Registry())
    counters.handed.value += 1

    answer = statistics(keeper, counters, WHO)

    assert answer["results"] == {"handed": 1}
    assert answer["connections"] == 1
    assert [worker["name"] for worker in answer["workers"]] == ["l7-1", "l7-2"]
    msgpack.packb(answer)


def test_who_is_connected_is_told_row_by_row() -> None:
    """From where, to which worker, since when, and bytes where the engine knows them."""
    keeper = busy()
    (row,) = open_connections(keeper, now=7.5, bytes_of=lambda ticket: (10, 20))
    keeper.unlinked(row["worker"], 8.0, [0])

    assert (row["source"], row["port"], row["for_s"], row["bytes"]) == ("203.0.113.9", 40112, 2.5, (10, 20))
    assert open_connections(keeper, now=8.0)[0]["worker"] == "on its way"
    assert open_connections(keeper, now=8.0, rows_max=0) == []
    msgpack.packb(row)
