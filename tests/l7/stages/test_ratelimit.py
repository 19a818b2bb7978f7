"""All limits agree, or nothing is charged; the phone is told where it stands."""

import pytest

from edge.common.config import LimitConfig, RouteConfig
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.ratelimit import RateLimits, subscriber
from edge.l7.stages.route_table import make_route
from edge.l7.verdict import Answer

SOURCE = LimitConfig(name="source", key="source", rate_per_s=10, burst=20)
ACCOUNT = LimitConfig(name="account", key="account", rate_per_s=2, burst=3, scope="worker")
EVERYTHING = make_route(RouteConfig(path="/", cluster="c"))


def ask(
    stage: RateLimits,
    source: str = "198.51.100.7",
    account: int | None = 1,
    route: Route = EVERYTHING,
    now: float = 50.0,
) -> tuple[Request, Answer | None]:
    request = Request("GET", b"/", (), source=source)
    request.account, request.route = account, route
    return request, stage(request, now, 0.0)


def test_the_burst_passes_and_the_next_is_429_with_the_exact_wait() -> None:
    """A polite phone that obeys is never refused."""
    stage = RateLimits((SOURCE, ACCOUNT))

    passed = [ask(stage)[1] for _ in range(3)]
    refused = ask(stage)[1]

    assert passed == [None] * 3
    assert refused is not None
    assert (refused.status, refused.retry_after_s) == (429, 0.5)
    assert ask(stage, now=50.5)[1] is None
    assert stage.refused == {"source": 0, "account": 1}


def test_a_request_that_one_limit_refuses_costs_nothing_at_the_others() -> None:
    """Otherwise an account over its limit would use up its whole office's source limit."""
    stage = RateLimits((SOURCE, ACCOUNT))
    for _ in range(50):
        ask(stage)

    others = [ask(stage, account=2)[1] for _ in range(3)] + [ask(stage, account=None)[1] for _ in range(14)]

    assert others == [None] * 17
    assert ask(stage, account=None)[1] is not None


def test_the_phone_is_told_where_it_stands() -> None:
    """Names are quoted strings in draft 10; the policy says quota and window."""
    request, _ = ask(RateLimits((SOURCE, ACCOUNT)))

    assert request.reply_lines == (
        b'ratelimit-policy: "source";q=20;w=2, "account";q=4;w=2\r\n'
        b'ratelimit: "source";r=19;t=1, "account";r=2;t=1\r\n'
    )


def test_a_refusal_says_the_same() -> None:
    """The headers of a 429 are built the same way."""
    stage = RateLimits((ACCOUNT,))
    answers = [ask(stage)[1] for _ in range(4)]

    assert answers[-1] is not None
    assert dict(answers[-1].headers) == {
        b"ratelimit-policy": b'"account";q=4;w=2',
        b"ratelimit": b'"account";r=0;t=2',
    }


@pytest.mark.parametrize(("limits", "passes"), [(None, 3), ((), 9), (("source",), 9), (("account",), 3)])
def test_a_route_names_its_limits(limits: tuple[str, ...] | None, passes: int) -> None:
    """None: all of them; (): none; a plain reverse proxy has none."""
    stage = RateLimits((SOURCE, ACCOUNT))
    route = make_route(RouteConfig(path="/", cluster="c", limits=limits))

    assert [ask(stage, route=route)[1] for _ in range(9)].count(None) == passes


def test_a_limit_per_route_counts_everybody_together() -> None:
    """What protects a weak service from all phones at once."""
    stage = RateLimits((LimitConfig(name="r", key="route", rate_per_s=1, burst=2),))
    other = make_route(RouteConfig(path="/other", cluster="c"))

    answers = [ask(stage, source=f"198.51.100.{n}")[1] for n in range(3)]

    assert [answer is None for answer in answers] == [True, True, False]
    assert ask(stage, route=other)[1] is None


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_a_subscriber_is_an_address_or_a_64(source: str, network: str) -> None:
    """One subscriber has 2^64 IPv6 addresses and one limit."""
    assert subscriber(source) == network


def test_two_addresses_of_one_64_share_a_limit() -> None:
    """Changing the last half of the address is free, so it buys nothing."""
    stage = RateLimits((LimitConfig(name="s", key="source", rate_per_s=1, burst=1),))

    assert ask(stage, source="2001:db8::1")[1] is None
    assert ask(stage, source="2001:db8::2")[1] is not None
    assert ask(stage, source="2001:db8:0:1::2")[1] is None


def test_a_reload_keeps_what_unchanged_limits_know() -> None:
    """A change of one limit must not forgive everybody at another."""
    stage = RateLimits((SOURCE, ACCOUNT))
    for _ in range(4):
        ask(stage)

    stage.reload((ACCOUNT,))

    assert ask(stage)[1] is not None
    assert stage.refused == {"account": 1 + 1}


def test_who_hammers_on_is_named_for_l4() -> None:
    """A refusal at L7 still costs a TLS connection; L4 refuses for less."""
    stage = RateLimits((LimitConfig(name="s", key="source", rate_per_s=1, burst=1, ban_after=5, ban_s=30),))

    for _ in range(20):
        ask(stage, source="203.0.113.9")

    assert list(stage.bans) == [("203.0.113.9", 30.0)]
