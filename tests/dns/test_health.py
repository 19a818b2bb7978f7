"""When does a POP take new phones?"""

from hypothesis import given
from hypothesis import strategies as st

from edge.dns.health import UNKNOWN, health_by_pop
from tests.kit.dns_queries import EVERYBODY, member

POPS = ["mumbai", "singapore"]


def test_nobody_heard_of_is_not_everybody_dead() -> None:
    """A name server that starts while the hub is away still answers with the nearest."""
    services_only = [member("service-x-1", tier="service", pop="")]

    assert health_by_pop(POPS, []) == {"mumbai": UNKNOWN, "singapore": UNKNOWN}
    assert health_by_pop(POPS, services_only)["mumbai"].healthy


def test_a_pop_needs_somebody_in_each_tier() -> None:
    """Accepting without answering, or answering without accepting, helps no phone."""
    members = [member("l4-mumbai-a"), member("l7-mumbai-1"), member("l4-singapore-a")]

    health = health_by_pop(POPS, members)

    assert health["mumbai"].healthy
    assert not health["singapore"].healthy
    assert health["singapore"].why == "no L7 ready"


def test_a_standby_alone_is_enough() -> None:
    """It takes over within 100 ms, which is sooner than a phone's next look-up."""
    members = [member("l4-mumbai-b", role="standby"), member("l7-mumbai-1")]

    assert health_by_pop(POPS, members)["mumbai"].healthy


def test_who_drains_or_weighs_nothing_does_not_count() -> None:
    """That is how an operator takes a POP out of service: `edge drain mumbai`."""
    members = [
        member("l4-mumbai-a", weight=0),
        member("l7-mumbai-1", state="draining"),
        member("l7-mumbai-2", state="starting"),
    ]

    health = health_by_pop(POPS, members)

    assert health["mumbai"].why == "no L4 and L7 ready"


@given(st.lists(st.sampled_from(EVERYBODY)))
def test_more_members_never_make_a_pop_sicker(few: list[object]) -> None:
    """Monotonic, once anybody at all is known."""
    before = health_by_pop(POPS, few) if few else {}  # type: ignore[arg-type]
    after = health_by_pop(POPS, [*few, *EVERYBODY])  # type: ignore[list-item]

    assert all(health.healthy for health in after.values())
    assert before.keys() <= after.keys()
