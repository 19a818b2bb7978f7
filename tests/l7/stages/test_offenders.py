"""Who is named, when, and how often."""

from edge.l7.stages.offenders import Offenders


def test_who_goes_on_is_named_once_per_ban() -> None:
    """L4 needs to hear it once; every further report would be noise."""
    offenders = Offenders(after=3, ban_s=60.0)

    named = [offenders.strike("203.0.113.9", now=100.0) for _ in range(10)]
    after_the_ban = [offenders.strike("203.0.113.9", now=161.0) for _ in range(4)]

    assert named == [False, False, False, True] + [False] * 6
    assert after_the_ban == [False, False, False, True]


def test_strikes_are_forgiven_and_others_have_their_own() -> None:
    """A phone that runs into a limit now and then is no attacker."""
    offenders = Offenders(after=3, ban_s=60.0)

    assert not any(offenders.strike("198.51.100.7", now=float(minute * 21)) for minute in range(100))
    assert not offenders.strike("198.51.100.8", now=2100.0)


def test_zero_means_never() -> None:
    """The default for limits: a refusal is enough."""
    offenders = Offenders(after=0, ban_s=60.0)

    assert not any(offenders.strike("203.0.113.9", now=0.0) for _ in range(100))
