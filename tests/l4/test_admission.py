"""May this source open one more connection?"""

import tracemalloc
from fractions import Fraction
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import AdmissionConfig
from edge.l4.admission import BANS_MAX, CONNECTIONS_MAX, Admission, BadNetwork, Refusal, unmapped
from tests.kit.effort import THOROUGH
from tests.oracle.token_bucket import Bucket


def admission(**limits: Any) -> Admission:
    return Admission(AdmissionConfig(**{"rate_per_s": 1e9, "burst": 1_000_000, **limits}))


def address(text: str) -> bytes:
    return ip_address(text).packed


def numbered(number: int) -> bytes:
    return number.to_bytes(4, "big")


ADA = address("203.0.113.9")
LINUS = address("198.51.100.7")


# -- rates ------------------------------------------------------------------------


def test_a_source_may_open_its_burst_and_then_its_rate() -> None:
    """A browser opens six at once; a flooder opens six a millisecond."""
    keeper = admission(source_rate_per_s=8.0, source_burst=3)

    at_once = [keeper.admit(ADA, 100.0) for _ in range(4)]
    too_soon = keeper.admit(ADA, 100.0625)
    in_time = keeper.admit(ADA, 100.125)

    assert at_once == [2.0, 1.0, 0.0, Refusal.SOURCE_RATE]
    assert too_soon is Refusal.SOURCE_RATE
    assert isinstance(in_time, float)


def test_one_sources_flood_takes_nothing_from_another() -> None:
    """Fairness: what is refused to a flooder is not taken from the global rate."""
    keeper = admission(source_rate_per_s=50.0, source_burst=50, rate_per_s=100.0, burst=100)

    flood, others = [], []
    for tick in range(2000):
        flood.append(keeper.admit(ADA, 100.0 + tick / 2000))
        if tick % 50 == 0:
            others.append(keeper.admit(numbered(tick), 100.0 + tick / 2000))

    assert sum(isinstance(verdict, float) for verdict in flood) <= 100
    assert all(isinstance(verdict, float) for verdict in others)


@given(
    st.integers(1, 20),
    st.integers(1, 10),
    st.lists(st.integers(0, 500), min_size=1, max_size=60),
)
def test_the_bucket_is_the_textbooks(rate: int, burst: int, waits_ms: list[int]) -> None:
    """One number per source instead of a level and a time must not change a verdict."""
    # Powers of two divide exactly, so both sides do the same arithmetic.
    rate = 2 ** (rate % 6)
    keeper = admission(source_rate_per_s=float(rate), source_burst=burst)
    oracle = Bucket(rate, burst)
    now = Fraction(1000)
    oracle.at = now

    for wait in waits_ms:
        now += Fraction(wait, 512)
        verdict = keeper.admit(ADA, float(now))
        keeper.expire(float(now))
        assert isinstance(verdict, float) == oracle.take(now)


def test_the_global_rate_holds_over_all_sources() -> None:
    """Two Python cores accept so many and no more; beyond that all would suffer."""
    keeper = admission(rate_per_s=100.0, burst=10)

    verdicts = [keeper.admit(numbered(n), 100.0 + n / 1000) for n in range(1000)]

    assert sum(isinstance(verdict, float) for verdict in verdicts) == pytest.approx(110, abs=1)
    assert verdicts[-1] is Refusal.RATE


def test_an_active_active_pair_halves_the_global_rate() -> None:
    """Both accept; together they must not admit twice as many."""
    keeper = Admission(AdmissionConfig(rate_per_s=100.0, burst=10), share=0.5)

    verdicts = [keeper.admit(numbered(n), 100.0 + n / 1000) for n in range(1000)]

    assert sum(isinstance(verdict, float) for verdict in verdicts) == pytest.approx(55, abs=1)


# -- connections ------------------------------------------------------------------


def test_a_source_may_hold_so_many_connections_and_one_more_after_one_closed() -> None:
    """Slow attacks open few a second and keep them all."""
    keeper = admission(source_connections_max=2)
    first_three = [keeper.admit(ADA, 100.0) for _ in range(3)]

    keeper.release(ADA)

    assert first_three[2] is Refusal.SOURCE_CONNECTIONS
    assert isinstance(keeper.admit(ADA, 100.0), float)
    assert keeper.open_of(ADA) == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=100))
def test_the_open_counts_are_what_was_admitted_and_not_released(steps: list[tuple[bool, int]]) -> None:
    """A count that drifts either locks a source out or lets it do everything."""
    keeper = admission(source_burst=1000)
    open_ = [0] * 4
    for opens, number in steps:
        if opens:
            keeper.admit(numbered(number), 100.0)
            open_[number] += 1
        else:
            # Also releases that nobody is owed: after a failover credits arrive for
            # connections that another L4 admitted.
            keeper.release(numbered(number))
            open_[number] = max(0, open_[number] - 1)

    assert [keeper.open_of(numbered(number)) for number in range(4)] == open_
    assert keeper.open_total == sum(open_)


def test_all_connections_together_are_bounded() -> None:
    """The table behind this has an end, and so have descriptors in the workers."""
    keeper = admission(source_burst=1_000_000, source_connections_max=1_000_000)
    keeper.open_total = CONNECTIONS_MAX

    assert keeper.admit(ADA, 100.0) is Refusal.CONNECTIONS


# -- sources ----------------------------------------------------------------------


def test_a_whole_slash_64_is_one_source() -> None:
    """One phone owns 2^64 addresses; each with a bucket of its own would be no limit."""
    keeper = admission(source_burst=1, source_rate_per_s=1.0)

    first = keeper.admit(address("2001:db8:1:2::1"), 100.0)
    neighbour = keeper.admit(address("2001:db8:1:2:ffff::2"), 100.0)
    elsewhere = keeper.admit(address("2001:db8:1:3::1"), 100.0)

    assert (isinstance(first, float), neighbour) == (True, Refusal.SOURCE_RATE)
    assert isinstance(elsewhere, float)


def test_an_ipv4_address_in_ipv6_clothes_is_the_same_source() -> None:
    """A dual-stack listener reports ::ffff:203.0.113.9; a ban names 203.0.113.9."""
    keeper = admission()
    keeper.ban("203.0.113.9", until=200.0)

    assert unmapped(address("::ffff:203.0.113.9")) == ADA
    assert keeper.admit(address("::ffff:203.0.113.9"), 100.0) is Refusal.BANNED


@given(st.integers(8, 32), st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_sources_of_one_prefix_are_one_and_others_are_not(bits: int, one: Any, other: Any) -> None:
    """Any prefix length works, also one in the middle of a byte."""
    keeper = admission(ipv4_prefix=bits)
    same = int(one) >> (32 - bits) == int(other) >> (32 - bits)

    assert (keeper.key_of(one.packed) == keeper.key_of(other.packed)) == same


@given(st.ip_addresses(v=4), st.ip_addresses(v=6), st.integers(8, 32), st.integers(16, 128))
def test_an_ipv4_and_an_ipv6_source_never_share_a_key(four: Any, six: Any, bits4: int, bits6: int) -> None:
    """A /32 of IPv6 is as long as an IPv4 address."""
    keeper = admission(ipv4_prefix=bits4, ipv6_prefix=bits6)

    assert keeper.key_of(four.packed) != keeper.key_of(six.packed)


# -- bans and the allow list --------------------------------------------------------


def test_a_ban_holds_until_it_ends_or_is_lifted() -> None:
    """Pushed by the hub; nobody has to come and clean up."""
    keeper = admission()
    keeper.ban("203.0.113.9", until=160.0)
    keeper.ban("198.51.100.0/24", until=1000.0)

    during = (keeper.admit(ADA, 100.0), keeper.admit(LINUS, 100.0))
    keeper.lift(["198.51.100.0/24"])
    keeper.expire(161.0)

    assert during == (Refusal.BANNED, Refusal.BANNED)
    assert isinstance(keeper.admit(ADA, 161.0), float)
    assert isinstance(keeper.admit(LINUS, 161.0), float)
    assert keeper.banned() == 0


def test_a_ban_of_one_ipv6_address_is_a_ban_of_its_prefix() -> None:
    """Whoever is banned under one of its 2^64 addresses has the others at hand."""
    keeper = admission()
    keeper.ban("2001:db8:1:2::1", until=200.0)

    assert keeper.is_banned(address("2001:db8:1:2::9"), 100.0)
    assert not keeper.is_banned(address("2001:db8:1:3::9"), 100.0)


def test_lifting_everything_forgives_everybody() -> None:
    """`edge unban` without a network."""
    keeper = admission()
    keeper.ban("203.0.113.9", until=200.0)
    keeper.ban("2001:db8::/32", until=200.0)

    keeper.lift(["*"])

    assert keeper.banned() == 0


def test_an_allowed_network_is_never_refused() -> None:
    """The operator's own probes must get through while everybody is limited or banned."""
    keeper = admission(allow=("203.0.113.0/24",), source_burst=1, rate_per_s=1.0, burst=1)
    keeper.ban("203.0.113.9", until=200.0)

    verdicts = [keeper.admit(ADA, 100.0) for _ in range(5)]

    assert all(isinstance(verdict, float) for verdict in verdicts)
    assert keeper.open_of(ADA) == 5


def test_bans_are_bounded_and_the_one_that_ends_first_gives_way() -> None:
    """An attacker with many addresses must not fill every L4's memory by being caught."""
    keeper = admission()
    for number in range(BANS_MAX + 10):
        keeper.ban(str(ip_address(numbered(number + 1))), until=1000.0 + number)

    assert keeper.banned() == BANS_MAX
    assert not keeper.is_banned(numbered(1), 100.0)
    assert keeper.is_banned(numbered(BANS_MAX + 10), 100.0)


@pytest.mark.parametrize("network", ["", "somewhere", "203.0.113.9/33", "203.0.113", "2001:db8::/129"])
def test_a_ban_that_names_no_network_is_refused(network: str) -> None:
    """Reports come from other processes; rubbish in one must not end this one."""
    keeper = admission()

    with pytest.raises(BadNetwork):
        keeper.ban(network, until=200.0)


# -- memory and floods --------------------------------------------------------------


def test_a_source_is_forgotten_only_when_its_bucket_is_full_again() -> None:
    """Forgetting earlier would be a way to get fresh tokens: wait for the clean-up."""
    keeper = admission(source_rate_per_s=1.0, source_burst=2)
    keeper.admit(ADA, 100.0)
    keeper.admit(ADA, 100.0)

    for tenth in range(1, 10):
        keeper.expire(100.0 + tenth / 10)
    still_spent = keeper.admit(ADA, 100.9)
    for second in range(1, 10):
        keeper.expire(101.0 + second)

    assert still_spent is Refusal.SOURCE_RATE
    assert keeper.known() == 0
    assert keeper.forgotten_early == 0


def test_in_a_flood_of_new_sources_nothing_is_written_and_the_known_are_served() -> None:
    """Degrade, never drop everyone: known sources keep their buckets, the table its size."""
    keeper = admission(flood_rate_per_s=100.0, source_rate_per_s=10.0, source_burst=20)
    keeper.admit(ADA, 100.0)
    known_before = keeper.known()

    verdicts = []
    for number in range(10_000):
        verdicts.append(keeper.admit(numbered(number), 100.0 + number / 20_000))
        keeper.release(numbered(number))

    assert keeper.flooding
    assert keeper.known() - known_before <= 60
    assert isinstance(keeper.admit(ADA, 100.6), float)
    assert sum(isinstance(verdict, float) for verdict in verdicts) > 9_900


def test_a_flooder_whom_nobody_knew_is_limited_all_the_same() -> None:
    """In flood mode unknown sources share buckets; one that fills its own is refused."""
    keeper = admission(flood_rate_per_s=100.0, source_rate_per_s=10.0, source_burst=20)
    for number in range(100):
        keeper.admit(numbered(number), 100.0)

    verdicts = [keeper.admit(LINUS, 100.01) for _ in range(100)]

    assert keeper.flooding
    assert sum(isinstance(verdict, float) for verdict in verdicts) <= 20


def test_flood_mode_ends_when_the_flood_does() -> None:
    """A mode that nobody leaves is an outage of its own."""
    keeper = admission(flood_rate_per_s=100.0)
    for number in range(100):
        keeper.admit(numbered(number), 100.0)

    keeper.expire(102.0)

    assert not keeper.flooding


def test_a_million_sources_stay_within_the_stated_memory() -> None:
    """The module's bound, 130 bytes a source; `python -m bench.l4_admission` has the time."""
    sources_max = 100_000 if THOROUGH else 3000
    keeper = admission(sources_max=sources_max, flood_rate_per_s=1e9)
    scattered = 2_654_435_761  # odd, so that every number below 2^32 comes out once

    def see(numbers: range) -> None:
        for number in numbers:
            source = numbered(number * scattered % 2**32)
            keeper.admit(source, 100.0 + number * 1e-6)
            keeper.release(source)

    tracemalloc.start()
    see(range(sources_max + sources_max // 10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    see(range(sources_max * 2, 1_000_000 if THOROUGH else sources_max * 3))

    assert keeper.known() <= sources_max
    assert peak / sources_max < 130
