"""What an L4 counts."""

from random import Random

from edge.common.config import AdmissionConfig
from edge.common.metrics import Registry
from edge.l4.admission import Admission, Refusal
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor


def test_every_reason_for_a_refusal_has_a_counter_of_its_own() -> None:
    """Refused is not a reason; an operator needs to know which limit it was."""
    counters = Counters(Registry())

    for number, reason in enumerate(Refusal, start=1):
        counters.refused[reason].value += number

    assert counters.results() == {reason.value: number for number, reason in enumerate(Refusal, start=1)}


def test_gauges_show_the_distributor() -> None:
    """`/metrics` and the truth agree."""
    registry = Registry()
    counters = Counters(registry)
    keeper = Distributor(Admission(AdmissionConfig()), "weighted", Random(1))
    keeper.linked("l7-1", now=0.0)
    keeper.place(bytes(4), 1, now=1.0)

    counters.see(keeper)

    values = {family["name"]: family["values"] for family in registry.snapshot()}
    assert values["edge_l4_active_connections"] == [[[], 1]]
    assert values["edge_l4_candidates"] == [[[], 1]]
