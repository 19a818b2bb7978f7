"""Faults that always end, and hit whom they are meant for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.faults import FAULTS_MAX, KINDS, Fault, FaultRefused, Faults, Strike, parse


def even() -> float:
    return 0.5


def test_a_fault_ends_by_itself() -> None:
    """The promise behind every lab: nobody has to remember to clean up."""
    faults = Faults()
    faults.add(Fault(id="f1", kind="latency", amount=300, for_s=30), now=100.0)

    during = faults.strike(129.9, even)
    after = faults.strike(130.0, even)

    assert during == Strike(ids=("f1",), delay_s=0.3)
    assert after is None
    assert not faults.armed


def test_a_grey_failure_leaves_health_checks_alone() -> None:
    """Slow is not dead: /healthz stays green, which is the whole lesson."""
    faults = Faults()
    faults.add(Fault(id="slow", kind="latency", amount=300), now=0.0)

    assert faults.strike(1.0, even, check=True) is None
    assert faults.strike(1.0, even) is not None


def test_down_hits_health_checks_too() -> None:
    """A dead server must look dead to whoever checks."""
    faults = Faults()
    faults.add(Fault(id="dead", kind="down"), now=0.0)

    strike = faults.strike(1.0, even, check=True)

    assert strike is not None and strike.reset
    assert faults.is_down(1.0)


def test_a_share_hits_that_share() -> None:
    """Toxicity: a die below the share is a hit."""
    faults = Faults()
    faults.add(Fault(id="some", kind="error", amount=503, share=0.25), now=0.0)

    hits = [faults.strike(1.0, lambda die=die: die / 100) is not None for die in range(100)]

    assert hits == [True] * 25 + [False] * 75


def test_a_fault_towards_one_peer_leaves_the_others_alone() -> None:
    """`to` is a hop: from here to there."""
    faults = Faults()
    faults.add(Fault(id="hop", kind="latency", amount=50, to="ranking"), now=0.0)

    assert faults.strike(1.0, even) is None
    assert faults.strike(1.0, even, to=("user", "user-1")) is None
    assert faults.strike(1.0, even, to=("ranking", "ranking-1")) == Strike(ids=("hop",), delay_s=0.05)


def test_several_faults_add_up() -> None:
    """Latency sums, the narrowest bandwidth counts."""
    faults = Faults()
    faults.add(Fault(id="a", kind="latency", amount=100), now=0.0)
    faults.add(Fault(id="b", kind="latency", amount=50, jitter=20), now=0.0)
    faults.add(Fault(id="c", kind="bandwidth", amount=8), now=0.0)
    faults.add(Fault(id="d", kind="bandwidth", amount=4), now=0.0)

    strike = faults.strike(1.0, lambda: 1.0)

    assert strike == Strike(ids=("a", "b", "c", "d"), delay_s=0.17, bytes_per_s=4096.0)


def test_clear_ends_one_or_all() -> None:
    """The emergency stop."""
    faults = Faults()
    for id in ("a", "b", "c"):
        faults.add(Fault(id=id, kind="reset"), now=0.0)

    assert faults.clear("b") == 1
    assert [fault["id"] for fault in faults.active(1.0)] == ["a", "c"]
    assert faults.clear() == 2
    assert not faults.armed


@pytest.mark.parametrize(
    "args",
    [
        {"id": "x", "kind": "earthquake"},
        {"id": "x", "kind": "latency", "amount": -1},
        {"id": "x", "kind": "latency", "amount": 10, "jitter": 20},
        {"id": "x", "kind": "error", "amount": 200},
        {"id": "x", "kind": "reset", "share": 0},
        {"id": "x", "kind": "reset", "share": 1.5},
        {"id": "x", "kind": "reset", "for_s": 0},
        {"id": "x", "kind": "reset", "for_s": 601},
        {"id": "x", "kind": "reset", "for_s": float("nan")},
        {"id": "x", "kind": "freeze", "for_s": 61},
        {"kind": "reset"},
    ],
)
def test_nonsense_is_refused(args: dict[str, object]) -> None:
    """Also over the control channel nobody can make an endless fault."""
    with pytest.raises(FaultRefused):
        parse(args)


def test_a_process_takes_only_so_many() -> None:
    """A script in a loop must not fill the memory."""
    faults = Faults()
    for number in range(FAULTS_MAX):
        faults.add(Fault(id=f"f{number}", kind="reset"), now=0.0)

    with pytest.raises(FaultRefused):
        faults.add(Fault(id="one more", kind="reset"), now=0.0)
    faults.add(Fault(id="f0", kind="down"), now=0.0)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.1, 60.0), st.floats(0, 100)), max_size=30))
def test_nothing_outlives_its_end(plan: list[tuple[str, float, float]]) -> None:
    """Whatever was added, in whatever order: behind the last end there is peace."""
    faults = Faults()
    plan.sort(key=lambda entry: entry[2])
    for number, (kind, for_s, at) in enumerate(plan):
        amount = {"error": 500.0, "latency": 5.0, "bandwidth": 5.0}.get(kind, 0.0)
        faults.add(parse({"id": f"f{number}", "kind": kind, "amount": amount, "for_s": for_s}), at)
        deadline = faults.next_deadline()
        assert deadline is not None and at < deadline <= at + 60.0

    assert faults.strike(161.0, even) is None
    assert faults.active(161.0) == []
    assert faults.next_deadline() is None


def test_a_drills_fault_is_felt_and_not_told() -> None:
    """Whoever looks for it has the symptoms, and no list with the answer."""
    faults = Faults()
    faults.add(Fault(id="drill", kind="latency", amount=300, hidden=True), now=0.0)

    strike = faults.strike(1.0, even)

    assert strike == Strike(delay_s=0.3)
    assert faults.active(1.0) == []
