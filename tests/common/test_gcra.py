"""GCRA against the token bucket that everybody understands."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from edge.common.gcra import Gcra


def test_a_burst_passes_and_the_next_is_told_the_exact_wait() -> None:
    """A polite phone that waits exactly so long is never refused."""
    limit = Gcra(rate_per_s=2.0, burst=3)

    first_three = [limit.take("ada", 100.0) for _ in range(3)]
    fourth = limit.take("ada", 100.0)
    after_the_wait = limit.take("ada", 100.0 + fourth)

    assert first_three == [0.0, 0.0, 0.0]
    assert fourth == 0.5
    assert after_the_wait == 0.0


def test_a_refusal_costs_nothing() -> None:
    """Someone who hammers away is served as soon as someone who waits."""
    limit = Gcra(rate_per_s=1.0, burst=1)
    limit.take("ada", 0.0)

    refusals = [limit.take("ada", tenth / 10) for tenth in range(1, 10)]

    assert all(wait > 0 for wait in refusals)
    assert limit.take("ada", 1.0) == 0.0


def test_what_others_granted_counts_too() -> None:
    """The limit of a whole POP: the debt has to be worked off before the next grant."""
    limit = Gcra(rate_per_s=10.0, burst=5)

    limit.spend("ada", 0.0, amount=8)

    assert limit.remaining("ada", 0.0) == 0
    assert abs(limit.wait_s("ada", 0.0) - 0.4) < 1e-9
    assert abs(limit.ahead_s("ada", 0.0) - 0.8) < 1e-9


def test_a_million_forged_keys_do_not_grow_the_table_or_free_a_busy_one() -> None:
    """An attacker with many addresses must not launder the one that is over its limit."""
    limit = Gcra(rate_per_s=1.0, burst=10, keys_max=100)
    for _ in range(10):
        limit.take("busy", 0.0)

    for number in range(3000):
        limit.take(f"forged-{number}", 0.0)

    assert len(limit) == 100
    assert limit.take("busy", 0.0) > 0.0
    assert limit.forgotten_early == 3000 - 99


def test_keys_whose_time_has_passed_make_room_without_loss() -> None:
    """Forgetting an idle key changes nothing, so it isn't counted as early."""
    limit = Gcra(rate_per_s=1.0, burst=10, keys_max=10)

    for number in range(1000):
        limit.take(f"phone-{number}", now=float(number * 2))

    assert len(limit) == 10
    assert limit.forgotten_early == 0


class TokenBucket:
    """The slow and obvious version, in exact arithmetic."""

    def __init__(self, rate: Fraction, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.level, self.at = Fraction(burst), Fraction(0)

    def take(self, now: Fraction) -> Fraction:
        self.level = min(Fraction(self.burst), self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return Fraction(0)
        return (1 - self.level) / self.rate


@given(
    rate=st.sampled_from([Fraction(1, 4), Fraction(1), Fraction(8), Fraction(128)]),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 2048), max_size=80),
)
def test_it_grants_exactly_what_a_token_bucket_grants(rate: Fraction, burst: int, gaps: list[int]) -> None:
    """Same grants, same waits, same remainder; times are multiples of 2^-10 so that floats are exact."""
    bucket = TokenBucket(rate, burst)
    limit = Gcra(float(rate), burst)
    now = Fraction(0)
    for gap in gaps:
        now += Fraction(gap, 1024)

        expected = bucket.take(now)
        wait = limit.take("key", float(now))

        assert abs(wait - float(expected)) < 1e-6
        assert (wait == 0.0) == (expected == 0)
        assert limit.remaining("key", float(now)) == int(bucket.level)
