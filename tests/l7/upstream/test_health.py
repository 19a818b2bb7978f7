"""Rise, fall, and when to ask again."""

from edge.common.config import HealthConfig
from edge.l7.upstream.health import Health

CONFIG = HealthConfig(rise=2, fall=3, interval_s=2.0, fast_interval_s=0.5, jitter=0.05)


def fed(*results: bool) -> Health:
    health = Health(CONFIG, now=0.0, dice=0.5)
    for result in results:
        health.result(result, "test", now=10.0, dice=0.5)
    return health


def test_a_new_endpoint_is_up_and_three_failures_take_it_down() -> None:
    """It has announced itself; one lost answer moves nobody."""
    assert fed().up
    assert fed(False, False).up
    assert not fed(False, False, False).up
    assert fed(False, False, True, False, False).up


def test_two_successes_bring_it_back() -> None:
    """One lucky answer is not recovery."""
    assert not fed(False, False, False, True).up
    assert fed(False, False, False, True, True).up
    assert not fed(False, False, False, True, False, True).up


def test_only_a_change_is_reported() -> None:
    """The balancer is rebuilt on changes, not on each check."""
    health = fed()

    assert [health.result(ok, "", 0.0, 0.5) for ok in (False, False, False, False)] == [
        False,
        False,
        True,
        False,
    ]


def test_it_is_asked_faster_while_the_answers_contradict_what_we_believe() -> None:
    """A sick endpoint is found in 3 s and not in 6."""
    assert fed(True).due_at == 12.0
    assert fed(False).due_at == 10.5
    assert fed(False, False, False).due_at == 12.0
    assert fed(False, False, False, True).due_at == 10.5


def test_intervals_are_jittered_and_the_first_is_random() -> None:
    """Twenty workers must not ask in the same millisecond."""
    early, late = Health(CONFIG, 0.0, dice=0.0), Health(CONFIG, 0.0, dice=0.99)
    early.result(True, "", 10.0, dice=0.0)
    late.result(True, "", 10.0, dice=1.0)

    assert Health(CONFIG, 0.0, dice=0.25).due_at == 0.5
    assert abs(early.due_at - 11.9) < 1e-9
    assert abs(late.due_at - 12.1) < 1e-9


def test_a_check_that_hangs_is_not_doubled() -> None:
    """The next one is not due while one is under way."""
    health = fed()

    health.begin(now=10.0)

    assert health.due_at > 10.0 + CONFIG.timeout_s
