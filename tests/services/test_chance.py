"""Chance that repeats itself."""

from services.chance import draw, share


def test_the_same_names_draw_the_same_in_every_process() -> None:
    """Two instances of a service have to live in one world; the number is from another run."""
    assert draw(2026, "tie", 1) == 869074774169086553
    assert draw(2026, "tie", 1) == draw(2026, "tie", 1)
    assert draw(2026, "tie", 1) != draw(2027, "tie", 1)
    assert draw(1, "a", 12) != draw(1, "a", 1, 2)


def test_shares_are_spread_evenly() -> None:
    """A crooked die would make a crooked world."""
    shares = [share(7, "die", n) for n in range(2000)]

    assert all(0.0 <= one < 1.0 for one in shares)
    assert 0.47 < sum(shares) / len(shares) < 0.53
    assert 0.07 < sum(one < 0.1 for one in shares) / len(shares) < 0.13
