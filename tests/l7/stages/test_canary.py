"""Worse, or chance?"""

import random
from statistics import NormalDist

import pytest

from edge.l7.stages.canary import COUNT_MAX, Z_STOP, Canary, z_score


def run(canary_rate: float, control_rate: float, requests: int, seed: int, share: float = 0.1) -> int | None:
    """After how many canary requests it was stopped, None if it never was."""
    dice = random.Random(seed)
    canary = Canary({"stable": 1 - share, "canary": share})
    seen = 0
    for _ in range(requests):
        new = dice.random() < share
        seen += new
        rate = canary_rate if new else control_rate
        if canary.learn("canary" if new else "stable", dice.random() >= rate):
            return seen
    return None


def test_a_bad_canary_is_stopped_soon() -> None:
    """Five percent against one in a thousand."""
    stopped = [run(0.05, 0.001, 20_000, seed) for seed in range(20)]

    assert all(count is not None and count <= 300 for count in stopped)


def test_a_good_canary_is_left_alone() -> None:
    """Even though we look again and again: at most one in 80 by the stated arithmetic."""
    stopped = [run(0.02, 0.02, 20_000, seed, share=0.3) for seed in range(40)]

    assert sum(count is not None for count in stopped) <= 1


def test_a_better_one_is_never_stopped() -> None:
    """One-sided: fewer errors are no reason."""
    assert all(run(0.001, 0.2, 5_000, seed) is None for seed in range(5))


@pytest.mark.parametrize(
    ("failed", "total", "control_failed", "control_total", "z"),
    [
        # The pooled two-proportion statistic worked by hand: p = 0.1, spread = 0.03.
        (15, 100, 10, 150, 2.1517),
        (10, 100, 10, 100, 0.0),
        (100, 100, 0, 100, 14.1421),
        (0, 10, 0, 10, 0.0),
    ],
)
def test_the_statistic_is_the_textbooks(
    failed: int, total: int, control_failed: int, control_total: int, z: float
) -> None:
    """Stated in the module, so anybody can check it."""
    assert z_score(failed, total, control_failed, control_total) == pytest.approx(z, abs=1e-3)


def test_the_threshold_is_the_stated_probability() -> None:
    """One-sided p = 0.0005."""
    assert 1 - NormalDist().cdf(Z_STOP) == pytest.approx(0.0005, rel=0.01)


def test_a_stopped_canary_has_no_weight_and_says_why() -> None:
    """The sentence is for the operator."""
    canary = Canary({"stable": 9, "canary": 1})
    for _ in range(100):
        canary.learn("stable", True)
    whys = [canary.learn("canary", False) for _ in range(50)]

    assert whys[-1].startswith("canary failed 50 of 50, stable 0 of 100")
    assert canary.weights == {"stable": 9, "canary": 0.0}
    assert canary.learn("canary", False) == ""
    assert canary.learn("stranger", False) == ""


def test_the_control_is_never_stopped_and_counts_stay_small() -> None:
    """If everything fails, that is not the canary's doing."""
    canary = Canary({"stable": 9, "canary": 1})
    for _ in range(COUNT_MAX * 3):
        assert canary.learn("stable", False) == ""

    assert not canary.stopped
    assert canary._groups["stable"].total < COUNT_MAX
