"""Is it my turn to be active?"""

import pytest

from edge.l4.lease import RANK_STEP_S, Sight, reason_to_claim

BEAT_S = 0.05


def decide(sight: Sight, rank: int = 1, waited_s: float = 10.0) -> str | None:
    return reason_to_claim(sight, rank, waited_s, BEAT_S)


def test_a_holder_that_beats_is_left_alone() -> None:
    """No preemption, whatever the rank."""
    sight = Sight(epoch=3, held=True, beat_age_s=0.02)

    assert decide(sight, rank=0) is None


def test_a_dead_holder_is_succeeded_at_once() -> None:
    """A free lock is the proof: no beats need be missed."""
    assert decide(Sight(epoch=3, held=False, beat_age_s=0.0)) == "the active one is gone"


@pytest.mark.parametrize("state", ["T", "Z", "X"])
def test_a_stopped_holder_is_succeeded_at_once(state: str) -> None:
    """SIGSTOP: accepting must go on within 150 ms, and the kernel tells without any missed beat."""
    assert decide(Sight(3, held=True, beat_age_s=0.01, process_state=state)) == "the active one is stopped"


def test_a_traced_holder_is_succeeded_after_three_beats() -> None:
    """strace stops its process for microseconds at each system call; a debugger for minutes."""
    assert decide(Sight(3, held=True, beat_age_s=0.14, process_state="t")) is None
    assert decide(Sight(3, held=True, beat_age_s=0.16, process_state="t")) == "the active one is stopped"


@pytest.mark.parametrize("state", ["R", "S", "D"])
def test_a_starved_holder_gets_more_time_and_not_all_of_it(state: str) -> None:
    """On a busy machine the standby is starved too; changing places would not help."""
    assert decide(Sight(3, held=True, beat_age_s=0.2, process_state=state)) is None
    assert decide(Sight(3, held=True, beat_age_s=0.4, process_state=state)) == "the active one is silent"


def test_after_a_clean_start_the_first_of_the_configuration_is_active() -> None:
    """Whoever reads `edge status` expects a to be active and b to stand by."""
    nothing = Sight(epoch=0)

    assert decide(nothing, rank=0, waited_s=0.0) == "nobody was active"
    assert decide(nothing, rank=1, waited_s=RANK_STEP_S / 2) is None
    assert decide(nothing, rank=1, waited_s=RANK_STEP_S) == "nobody was active"
