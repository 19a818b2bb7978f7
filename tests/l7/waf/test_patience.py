"""What the loop may lose by trying inspections itself is bounded, whoever attacks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.patience import (
    CREDIT_S,
    ORDINARY_CREDIT_S,
    POOR_BYTES_MAX,
    POOR_TRIAL_S,
    SHARE,
    TRIAL_S,
    Patience,
)
from tests.kit.effort import examples
from tests.l7.waf.samples import get

PLAIN, ODD = b"a", b"'"
HEAD = get(b"/", ())


class Clock:
    """Moved by the test."""

    now = 100.0


def tried(patience: Patience, clock: Clock, size: int, of: bytes = ODD) -> float:
    """The time of a trial in vain, which takes exactly as long as it may."""
    limit_s = patience.limit_s(HEAD, of * size, clock.now)
    began = clock.now
    clock.now += limit_s
    if limit_s:
        patience.lost(began, clock.now)
    return limit_s


def test_who_comes_in_peace_gets_the_full_time() -> None:
    """4 kB of JSON now and then are no attack."""
    clock = Clock()
    patience = Patience(clock.now)

    first = tried(patience, clock, 4096)
    clock.now += 1.01 * TRIAL_S / SHARE

    assert first == TRIAL_S
    assert tried(patience, clock, 4096) == TRIAL_S


def test_after_a_trial_in_vain_long_text_is_not_tried() -> None:
    """It would be given up as well, and ordinary requests are shorter."""
    clock = Clock()
    patience = Patience(clock.now)
    tried(patience, clock, 4096)

    assert patience.limit_s(HEAD, PLAIN * POOR_BYTES_MAX, clock.now) == 0.0
    assert patience.limit_s(HEAD, ODD * (POOR_BYTES_MAX - 1), clock.now) == POOR_TRIAL_S


def test_a_long_cookie_is_long_text() -> None:
    """It is searched as the rest is."""
    clock = Clock()
    patience = Patience(clock.now)
    tried(patience, clock, 4096)

    assert patience.limit_s(get(b"/", ((b"cookie", b"a" * POOR_BYTES_MAX),)), None, clock.now) == 0.0


def test_an_attack_leaves_credit_for_ordinary_text() -> None:
    """A thousand hostile forms must not send every new query of an honest phone to the thread."""
    clock = Clock()
    patience = Patience(clock.now)
    while tried(patience, clock, 500):
        pass

    assert patience.limit_s(get(b"/feed?page=1"), None, clock.now) == POOR_TRIAL_S


def test_a_trial_in_which_the_machine_stood_still_is_soon_forgotten() -> None:
    """A process that was stopped for five seconds must not leave everything new to the thread for fifty."""
    clock = Clock()
    patience = Patience(clock.now)

    patience.lost(clock.now, clock.now + 5.0)
    clock.now += 5.05

    assert patience.limit_s(HEAD, PLAIN * 500, clock.now) > 0.0


def test_trials_that_succeed_cost_nothing() -> None:
    """Inspecting ordinary requests is what the loop is for."""
    clock = Clock()
    patience = Patience(clock.now)

    for _ in range(100):
        clock.now += patience.limit_s(HEAD, ODD * 500, clock.now)

    assert patience.limit_s(HEAD, ODD * 500, clock.now) == TRIAL_S


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2 * POOR_BYTES_MAX), st.sampled_from((PLAIN, ODD)), st.floats(0.0, 0.02)),
        max_size=60,
    )
)
def test_no_attack_makes_the_loop_lose_more_than_a_tenth_and_its_credit(
    requests: list[tuple[int, bytes, float]],
) -> None:
    """A hundred hostile bodies that arrived at once cost the loop a hundred trials."""
    clock = Clock()
    patience = Patience(clock.now)
    began, lost_s, odd_s = clock.now, 0.0, 0.0
    for size, of, pause_s in requests:
        cost_s = tried(patience, clock, size, of)
        lost_s += cost_s
        odd_s += cost_s if of == ODD else 0.0
        clock.now += pause_s

    allowed_s = TRIAL_S + POOR_TRIAL_S + SHARE * (clock.now - began) + 1e-9
    assert lost_s <= allowed_s + ORDINARY_CREDIT_S
    assert odd_s <= allowed_s + CREDIT_S
