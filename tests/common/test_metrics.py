"""Counters are plain numbers; a snapshot is plain values."""

import pytest

from edge.common.metrics import CHILDREN_MAX, Registry


def test_a_snapshot_holds_every_number_with_its_labels() -> None:
    """It travels over the control channel, so no object of ours may be in it."""
    registry = Registry()
    family = registry.counter("edge_l7_requests_total", "Requests", ("route", "code"))
    family.child("/feed", "200").value += 2
    registry.histogram("edge_wait_seconds", "Waits", bounds=(0.1, 1.0)).child().observe(0.1)

    assert registry.snapshot() == [
        {
            "name": "edge_l7_requests_total",
            "help": "Requests",
            "kind": "counter",
            "labels": ["route", "code"],
            "values": [[["/feed", "200"], 2]],
        },
        {
            "name": "edge_wait_seconds",
            "help": "Waits",
            "kind": "histogram",
            "labels": [],
            "values": [[[], {"bounds": [0.1, 1.0], "counts": [1, 0, 0], "sum": 0.1}]],
        },
    ]


def test_the_same_labels_are_the_same_number() -> None:
    """So two places that count one thing count together."""
    registry = Registry()

    registry.counter("a_total", "A", ("x",)).child("1").value += 1
    registry.counter("a_total", "A", ("x",)).child("1").value += 1

    assert registry.counter("a_total", "A", ("x",)).child("1").value == 2


def test_labels_made_by_phones_cannot_fill_the_memory() -> None:
    """Past the bound everything new is counted as "other"."""
    family = Registry().counter("a_total", "A", ("path",))

    for number in range(CHILDREN_MAX + 50):
        family.child(str(number)).value += 1

    assert len(family.items()) == CHILDREN_MAX + 1
    assert family.child("other").value == 50


def test_two_meanings_of_one_name_are_a_bug() -> None:
    """Prometheus would refuse the scrape; better to fail at start."""
    registry = Registry()
    registry.counter("a_total", "A")

    with pytest.raises(AssertionError, match="another way"):
        registry.gauge("a_total", "A")
