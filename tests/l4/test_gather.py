"""Wake up for each connection, or look now and then?"""

import pytest

from edge.l4.gather import GATHER_S_MAX, Gather


def after_a_second_of(rate_per_s: int) -> tuple[Gather, float]:
    gather = Gather()
    pause_s = 0.0
    for number in range(rate_per_s):
        pause_s = gather.pause_s(1, 100.0 + number / rate_per_s)
    return gather, pause_s


@pytest.mark.parametrize("rate_per_s", [1, 50, 200, 450])
def test_a_quiet_edge_serves_everybody_at_once(rate_per_s: int) -> None:
    """Waiting for company that does not come would be latency for nothing."""
    assert after_a_second_of(rate_per_s)[1] == 0.0


@pytest.mark.parametrize(("rate_per_s", "expected_s"), [(600, 0.004), (2000, 0.004), (4000, 0.002)])
def test_a_busy_one_gathers_about_eight(rate_per_s: int, expected_s: float) -> None:
    """And nobody waits longer than the bound."""
    pause_s = after_a_second_of(rate_per_s)[1]

    assert pause_s == pytest.approx(expected_s, rel=0.1)
    assert pause_s <= GATHER_S_MAX


def test_after_a_silence_the_first_is_served_at_once() -> None:
    """A burst that is over must not slow down whoever comes a second later."""
    gather, busy_s = after_a_second_of(2000)

    assert busy_s > 0
    assert gather.pause_s(1, 102.0) == 0.0
    assert not gather.busy


def test_what_was_refused_makes_nobody_wait() -> None:
    """A flooder opens thousands a second and is admitted fifty times."""
    gather = Gather()

    pauses = {gather.pause_s(int(number % 40 == 0), 100.0 + number / 2000) for number in range(2000)}

    assert pauses == {0.0}
