"""Do the phones behave like people?"""

import random
from collections import Counter
from statistics import median

import pytest

from loadtest.person import NEXT, PAUSE_S, PAUSE_S_MAX, PHRASES, SETBACK_S_MAX, Person


def test_every_step_leads_on_and_none_is_a_trap() -> None:
    """From anywhere, everything else can be reached."""
    assert set(NEXT) == set(PAUSE_S)
    for start in NEXT:
        reached = {start}
        for _ in NEXT:
            reached |= {step for known in reached for step in NEXT[known]}
        assert reached == set(NEXT)


def test_people_mostly_scroll() -> None:
    """Half of all steps is the feed, a tenth is writing at most: otherwise it is another app."""
    person = Person(random.Random(1))
    lived = Counter(person.move() for _ in range(20_000))

    share = {step: count / 20_000 for step, count in lived.items()}
    assert 0.45 < share["scroll"] + share["refresh"] < 0.75
    assert 0.02 < share["write"] < 0.15
    assert share["stories"] > 0.1


def test_pauses_are_human() -> None:
    """Skewed to the right, bounded, never negative, and shorter at a faster pace."""
    person = Person(random.Random(2))
    pauses = [person.pause_s() for _ in range(5000)]
    hurried = [person.pause_s(pace=2.0) for _ in range(5000)]

    assert 0.0 < min(pauses) <= max(pauses) <= PAUSE_S_MAX
    assert median(pauses) == pytest.approx(PAUSE_S["refresh"], rel=0.1)
    assert sum(pauses) / len(pauses) > median(pauses)
    assert median(hurried) == pytest.approx(median(pauses) / 2, rel=0.1)


def test_failures_make_an_app_patient_and_success_forgets_them() -> None:
    """Fifty phones that try again at once keep a login service from ever recovering."""
    person = Person(random.Random(4))
    waits = [person.setback() for _ in range(8)]
    person.recover()

    assert all(2**n / 2 <= wait <= 2**n for n, wait in enumerate(waits[:5]))
    assert max(waits) <= SETBACK_S_MAX
    assert person.setback() <= 1.0


def test_the_same_dice_live_the_same_life() -> None:
    """A run can be replayed."""
    one, other = Person(random.Random(3)), Person(random.Random(3))

    assert [one.move() for _ in range(50)] == [other.move() for _ in range(50)]
    assert one.phrase() == other.phrase()
    assert one.phrase() in PHRASES
