"""What `edge explain flow` and `edge explain drain` say."""

from typing import Any

import pytest

from edge.cli.explain_l4 import _split, drain_lines, flow_lines

FLOW: dict[str, Any] = {
    "name": "l4-mumbai-a",
    "role": "active",
    "policy": "hash",
    "mood": "calm",
    "open": [{"port": 40112, "worker": "l7-mumbai-1", "for_s": 1.25}],
    "source_open": 1,
    "bucket_level": 99.0,
    "banned": False,
    "candidates": ["l7-mumbai-2", "l7-mumbai-1"],
    "choice": "l7-mumbai-1",
    "why": "owns slot 7 of 65537",
    "depends_on_source": True,
}
DRAIN: dict[str, Any] = {
    "name": "l4-mumbai-a",
    "role": "active",
    "policy": "hash",
    "open": 12,
    "live_here": 9,
    "weights": {f"l7-mumbai-{n}": 1.0 for n in range(1, 11)},
}


def test_a_flow_is_told_with_its_reason() -> None:
    """Which worker, and why, in words that need no manual."""
    assert flow_lines(FLOW, "203.0.113.9") == [
        "l4-mumbai-a (active, hash, calm)",
        "  open: port 40112 at l7-mumbai-1 for 1.2 s",
        "  203.0.113.9 may open 99 more at once; 1 are open",
        "  would go to l7-mumbai-1: owns slot 7 of 65537",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"banned": True}, "is banned"),
        ({"bucket_level": 0.4}, "too fast"),
        ({"choice": None, "why": "no worker can take a connection"}, "wait in the kernel's queue"),
        ({"policy": "weighted", "depends_on_source": False}, "does not look at the source"),
    ],
)
def test_a_refusal_or_a_wait_is_said_as_plainly(change: dict[str, Any], words: str) -> None:
    """What would happen is the question, not what is configured."""
    assert words in "\n".join(flow_lines(FLOW | change, "203.0.113.9"))


def test_a_drain_says_how_much_would_move() -> None:
    """Ten workers by hash: a tenth is its own, and next to nothing of the others' moves."""
    lines = drain_lines([DRAIN, DRAIN | {"name": "l4-mumbai-b", "live_here": 3}], "l7-mumbai-1")

    assert lines[0] == "l7-mumbai-1 holds 12 live connection(s); they stay with it until they end"
    assert lines[1:3] == [
        "  9 of them came through l4-mumbai-a (active)",
        "  3 of them came through l4-mumbai-b (active)",
    ]
    owned, moved = (float(word.rstrip("%")) for word in lines[3].split() if word.endswith("%"))
    assert owned == pytest.approx(10.0, abs=0.1)
    assert 0.0 < moved < 1.0


def test_draining_the_last_one_is_called_what_it_is() -> None:
    """It goes on serving: there is nobody else."""
    lines = drain_lines([DRAIN | {"weights": {"l7-mumbai-1": 1.0}}], "l7-mumbai-1")

    assert "last resort" in lines[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.9:40112", ("203.0.113.9", 40112)),
        ("203.0.113.9", ("203.0.113.9", 0)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
    ],
)
def test_a_source_may_come_with_or_without_its_port(text: str, expected: tuple[str, int]) -> None:
    """As it stands in the access log, or as a person remembers it."""
    assert _split(text) == expected
