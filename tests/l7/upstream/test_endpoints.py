"""From members and configuration to endpoints."""

from edge.common.config import ClusterConfig, ServiceConfig
from edge.common.messages import Member
from edge.l7.upstream.endpoints import Endpoint, announced, configured

FEED = ClusterConfig(name="feed", service="feed")


def member(name: str, **more: object) -> Member:
    fields = {
        "tier": "service",
        "service": "feed",
        "pid": 1,
        "state": "live",
        "address": "127.0.0.1:1",
    } | more
    return Member(name=name, **fields)  # type: ignore[arg-type]


def test_an_application_of_your_own_is_named_by_address() -> None:
    """Ten lines of edge.toml put the edge in front of anything."""
    assert configured(ClusterConfig(name="app", endpoints=("127.0.0.1:3000",)), ()) == [
        Endpoint("127.0.0.1:3000", "127.0.0.1:3000")
    ]


def test_fixed_ports_are_known_before_the_hub_speaks() -> None:
    """A worker serves without having heard anything."""
    services = (ServiceConfig(name="user", port=7000), ServiceConfig(name="feed", instances=2, port=7100))

    assert configured(FEED, services) == [
        Endpoint("feed-1", "127.0.0.1:7100"),
        Endpoint("feed-2", "127.0.0.1:7101"),
    ]
    assert configured(FEED, (ServiceConfig(name="feed", port=0),)) == []


def test_only_live_copies_of_the_service_take_work() -> None:
    """Draining ones stay listed, because their requests are still running."""
    found = announced(
        FEED,
        [
            member("feed-2", weight=50),
            member("feed-1"),
            member("feed-3", state="draining"),
            member("feed-4", state="starting"),
            member("feed-5", address=""),
            member("story-1", service="story"),
            member("l7-mumbai-1", tier="l7"),
        ],
    )

    assert [(endpoint.name, endpoint.weight) for endpoint in found] == [
        ("feed-1", 1.0),
        ("feed-2", 0.5),
        ("feed-3", 0.0),
    ]
