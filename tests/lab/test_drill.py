"""A hidden fault, and an honest grade."""

import random
from collections.abc import Iterable

import pytest

from edge.common.faults import parse
from edge.lab.drill import DRILL_S, KINDS, Drill, Kind, bystanders, candidates, is_right, is_well, points

MEMBERS = [
    ("feed-1", "feed"), ("feed-2", "feed"), ("story-1", "story"), ("dm-1", "dm"), ("media-1", "media"),
    ("ranking-1", "ranking"), ("user-1", "user"), ("ads-1", "ads"), ("recommend-1", "recommend"),
]  # fmt: skip


def drill(**more: object) -> Drill:
    fields = {
        "seed": 7,
        "level": 1,
        "at": "feed-2",
        "kind": "latency",
        "symptom": "",
        "word": "slow",
        "hint": "",
        "began_unix": 0.0,
        "baseline_ms": 30.0,
        "last_event": 0,
    }
    return Drill(**{**fields, **more})  # type: ignore[arg-type]


def drawn(seed: int, level: int, members: Iterable[tuple[str, str]]) -> list[tuple[str, Kind]]:
    return candidates(level, members, random.Random(seed).shuffle)


def test_the_same_seed_hides_the_same_fault() -> None:
    """A class does the same drill, and a teacher can repeat it."""
    assert [drawn(seed, 2, MEMBERS) for seed in range(20)] == [
        drawn(seed, 2, reversed(MEMBERS)) for seed in range(20)
    ]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_level_has_more_than_one_place_and_kind(level: int) -> None:
    """Or the second drill would be no drill."""
    found = drawn(1, level, MEMBERS)

    assert len({at for at, _ in found}) > 1
    assert len({kind.kind for _, kind in found}) > 1
    assert [drawn(seed, level, MEMBERS)[0] for seed in range(20)] != [found[0]] * 20


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.kind}-{kind.level}")
def test_every_hidden_fault_is_a_fault(kind: object) -> None:
    """The keeper takes it as it stands."""
    fault = {name: getattr(kind, name) for name in ("kind", "amount", "share")}

    assert parse({"id": "drill", "for_s": DRILL_S, "hidden": True, **fault}).hidden


def test_an_edge_without_such_services_has_no_drill() -> None:
    """Said, not guessed."""
    assert drawn(1, 1, [("toy-1", "toy")]) == []


def test_well_is_what_phones_feel() -> None:
    """Not what a list of faults says: behaviour is graded."""
    assert is_well([30.0] * 20, 0, 30.0)
    assert not is_well([30.0] * 20, 1, 30.0)
    assert not is_well([30.0] * 15 + [600.0] * 5, 0, 30.0)
    assert not is_well([], 0, 30.0)


def test_restarting_everything_is_graded_for_what_it_is() -> None:
    """It works, and it hits the innocent."""
    events = [{"event": "member.leave", "name": name} for name, _ in MEMBERS]
    names = [name for name, _ in MEMBERS]

    innocent = bystanders(events, "feed-2", names)

    assert "feed-2" not in innocent
    assert points(30.0, 0, len(innocent)) < points(30.0, 0, 0) == 100


def test_time_and_hints_cost_points() -> None:
    """A minute to look around is free."""
    assert points(60.0, 0, 0) == 100
    assert points(110.0, 0, 0) == 90
    assert points(60.0, 2, 0) == 70
    assert points(1e6, 0, 0) == 0


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("feed-2 slow", True),
        ("feed-2, latency", True),
        ("Feed-2 is SLOW", True),
        ("feed-1 slow", False),
        ("feed-2 down", False),
        ("", False),
    ],
)
def test_an_answer_names_the_place_and_the_sort(text: str, right: bool) -> None:
    """In any words that mean it."""
    assert is_right(text, drill()) is right
