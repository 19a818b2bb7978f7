"""May this source open one more connection?

Five questions, cheapest refusal first: is it banned, has it too many connections
open, has it opened them too fast, are there too many in all, and are they coming
too fast in all.  A source is a prefix: a whole IPv4 address, the /64 of an IPv6
one, because a single phone owns that much.

The rates are token buckets in the virtual-scheduling form: instead of a level
and the time it was taken, one number, the moment at which the bucket will be
full again.  It needs no refill, and a source is a single float.

Memory.  Sources are kept in two generations.  Whoever shows up moves to the
young one; every refill time the old one is thrown away whole and the young one
becomes old.  So a source is forgotten after being silent for at least as long as
a bucket takes to fill, when its bucket is full and forgetting it changes
nothing.  Only when `sources_max` forces an early turn are tokens given away.
About 130 bytes a source: 13 MB at the default 100,000, whatever the number of
sources that ever came.

Flood mode.  When new sources come faster than `flood_rate_per_s`, nothing is
written down any more.  Known sources keep their buckets; unknown ones share
`SHARED_BUCKETS` by a hash keyed per process.  A flooder fills its own bucket, and
an innocent source suffers only if it hashes to the same one: degraded for one in
thousands, never closed to all.
"""

from array import array
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_network

from edge.common.config import AdmissionConfig
from edge.common.errors import EdgeError

CONNECTIONS_MAX = 50_000  # of one L4; Envoy's edge example
BANS_MAX = 10_000  # about 150 bytes each; beyond it the one that ends first is forgotten
SHARED_BUCKETS = 4096
FLOOD_WINDOW_S = 0.1
# Sums of floats are off by a little; nobody is refused the last of a burst for that.
SLACK_S = 1e-6
# Leaving flood mode between two waves would let each wave write its share.
FLOOD_HOLD_S = 1.0
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2: ::ffff:a.b.c.d


class Refusal(StrEnum):
    """Why not; also the label of the counter."""

    BANNED = "banned"
    SOURCE_CONNECTIONS = "source-connections"
    SOURCE_RATE = "source-rate"
    CONNECTIONS = "connections"
    RATE = "rate"


class BadNetwork(EdgeError):
    """A ban or an allowed network that is no address and no prefix."""

    blame = "operator"
    status_hint = None


class _Networks:
    """Is this address in one of these networks?  One look-up for each distinct prefix length."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], dict[int, float]] = {}  # (bytes, shift) -> prefix -> until

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def add(self, network: str, until: float, ipv6_prefix: int = 128) -> None:
        size, shift, prefix = _parse(network, ipv6_prefix)
        known = prefix in self._groups.get((size, shift), {})
        if not known and len(self) >= BANS_MAX:
            self._forget_first_to_end()
        self._groups.setdefault((size, shift), {})[prefix] = until

    def remove(self, network: str, ipv6_prefix: int = 128) -> None:
        size, shift, prefix = _parse(network, ipv6_prefix)
        group = self._groups.get((size, shift), {})
        group.pop(prefix, None)
        if not group:
            self._groups.pop((size, shift), None)

    def clear(self) -> None:
        self._groups.clear()

    def until(self, source: bytes) -> float:
        """When the longest-lasting entry for `source` ends; 0 if there is none."""
        size, number = len(source), int.from_bytes(source, "big")
        latest = 0.0
        for (bytes_, shift), group in self._groups.items():
            if bytes_ == size:
                latest = max(latest, group.get(number >> shift, 0.0))
        return latest

    def expire(self, now: float) -> None:
        for key, group in list(self._groups.items()):
            for prefix in [prefix for prefix, until in group.items() if until <= now]:
                del group[prefix]
            if not group:
                del self._groups[key]

    def _forget_first_to_end(self) -> None:
        # No group is ever empty, so each has an entry that ends first.
        key, group = min(self._groups.items(), key=lambda item: min(item[1].values()))
        del group[min(group, key=group.__getitem__)]
        if not group:
            del self._groups[key]


class Admission:
    """Decide on connections in the order they arrive.

    `share`: the part of the global rate that is ours, when several L4s of one POP
    are active at once.
    """

    def __init__(self, config: AdmissionConfig, share: float = 1.0) -> None:
        self._open: dict[bytes, int] = {}
        self.open_total = 0
        self._young: dict[bytes, float] = {}  # source -> when its bucket is full again
        self._old: dict[bytes, float] = {}
        self._turned_at = 0.0
        self._shared = array("d", bytes(8 * SHARED_BUCKETS))
        self._full_at = 0.0  # the global bucket
        self._bans = _Networks()
        self._allowed = _Networks()
        self._new_sources = 0
        self._window_ends = 0.0
        self._flood_ends = 0.0
        self.flooding = False
        self.forgotten_early = 0  # sources thrown away with buckets that were not full yet
        self.configure(config, share)

    def configure(self, config: AdmissionConfig, share: float = 1.0) -> None:
        """Take new limits; what sources have spent stays spent.  Raises `BadNetwork`."""
        allowed = _Networks()
        for network in config.allow:
            allowed.add(network, float("inf"))
        self._allowed = allowed
        self._config = config
        self._interval_s = 1.0 / config.source_rate_per_s
        self._refill_s = max(1, config.source_burst) * self._interval_s
        self._tolerance_s = self._refill_s - self._interval_s + SLACK_S
        self._global_interval_s = 1.0 / (config.rate_per_s * share)
        self._global_tolerance_s = max(0.0, config.burst * share - 1) * self._global_interval_s + SLACK_S
        self._generation_max = max(1, config.sources_max // 2)
        self._window_max = max(1.0, config.flood_rate_per_s * FLOOD_WINDOW_S)

    def admit(self, source: bytes, now: float) -> float | Refusal:
        """How many more this source may open at once, after this one; or why not this one.

        `source` is a packed address, 4 or 16 bytes.  An admitted connection counts
        as open until `release(source)`.
        """
        if len(source) == 16:
            source = unmapped(source)
        if self._allowed and self._allowed.until(source):
            self._open_one(self.key_of(source))
            return float(self._config.source_burst)
        if self._bans and self._bans.until(source) > now:
            return Refusal.BANNED
        key = self.key_of(source)
        if self._open.get(key, 0) >= self._config.source_connections_max:
            return Refusal.SOURCE_CONNECTIONS

        slot = -1
        full_at = self._young.get(key)
        if full_at is None:
            full_at, slot = self._unknown(key, now)
        if full_at < now:
            full_at = now
        if full_at - now > self._tolerance_s:
            return Refusal.SOURCE_RATE

        # The global questions come last, so that what one source is refused anyway
        # is not taken from what is left for the others.
        if self.open_total >= CONNECTIONS_MAX:
            return Refusal.CONNECTIONS
        global_full_at = self._full_at if self._full_at > now else now
        if global_full_at - now > self._global_tolerance_s:
            return Refusal.RATE
        self._full_at = global_full_at + self._global_interval_s

        full_at += self._interval_s
        if slot >= 0:
            self._shared[slot] = full_at
        else:
            self._young[key] = full_at
        self._open_one(key)
        return (now + self._refill_s - full_at) / self._interval_s

    def release(self, source: bytes) -> None:
        """A connection of `source` has ended, or was never served."""
        key = self.key_of(unmapped(source))
        left = self._open.get(key, 0) - 1
        if left > 0:
            self._open[key] = left
        elif left == 0:
            del self._open[key]
        else:
            return  # it was admitted by another L4, which has died since
        self.open_total -= 1

    def key_of(self, source: bytes) -> bytes:
        """The prefix that stands for `source`."""
        bits = self._config.ipv4_prefix if len(source) == 4 else self._config.ipv6_prefix
        if bits == 8 * len(source):
            return source
        whole, rest = divmod(bits, 8)
        if not rest:
            # IPv6 /32 and a whole IPv4 address have the same length; a marker keeps them apart.
            return b"6" + source[:whole] if len(source) == 16 else source[:whole]
        last = source[whole] & (0xFF << (8 - rest)) & 0xFF
        return (b"6" if len(source) == 16 else b"") + source[:whole] + bytes((last,))

    def open_of(self, source: bytes) -> int:
        """Connections that the prefix of `source` has open."""
        return self._open.get(self.key_of(unmapped(source)), 0)

    def level_of(self, source: bytes, now: float) -> float:
        """How many connections the prefix of `source` could open at once."""
        key = self.key_of(unmapped(source))
        full_at = self._young.get(key, self._old.get(key, now))
        return (self._refill_s - max(0.0, full_at - now)) / self._interval_s

    # -- bans -----------------------------------------------------------------------

    def ban(self, network: str, until: float) -> None:
        """Refuse a network until `until`, seconds of our clock.  Raises `BadNetwork`.

        A single IPv6 address stands for its prefix: its owner has the rest as well.
        """
        self._bans.add(network, until, self._config.ipv6_prefix)

    def lift(self, networks: Iterable[str]) -> None:
        """Forgive these networks; "*" forgives everybody.  Raises `BadNetwork`."""
        for network in networks:
            if network == "*":
                self._bans.clear()
            else:
                self._bans.remove(network, self._config.ipv6_prefix)

    def is_banned(self, source: bytes, now: float) -> bool:
        """Whether a ban holds for this packed address."""
        return self._bans.until(unmapped(source)) > now

    # -- time and memory ------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Let go of what has run out; call it about once a second."""
        self._bans.expire(now)
        if now - self._turned_at >= self._refill_s:
            self._turn(now)
        if self.flooding and now >= self._flood_ends:
            self.flooding = False

    def known(self) -> int:
        """Sources that are written down now."""
        return len(self._young) + len(self._old)

    def banned(self) -> int:
        """Bans that are held now."""
        return len(self._bans)

    def _unknown(self, key: bytes, now: float) -> tuple[float, int]:
        """For a source outside the young generation: its bucket, and its shared slot or -1."""
        full_at = self._old.get(key)
        if full_at is not None:
            if len(self._young) >= self._generation_max:
                self._turn(now)
            return full_at, -1
        if now >= self._window_ends:
            self._window_ends = now + FLOOD_WINDOW_S
            self._new_sources = 0
        self._new_sources += 1
        if self._new_sources > self._window_max:
            self.flooding = True
            self._flood_ends = now + FLOOD_HOLD_S
        elif self.flooding and now >= self._flood_ends:
            self.flooding = False
        if self.flooding:
            slot = hash(key) % SHARED_BUCKETS  # SipHash, keyed at random in each process
            return self._shared[slot], slot
        if len(self._young) >= self._generation_max:
            self._turn(now)
        return now, -1

    def _turn(self, now: float) -> None:
        if now - self._turned_at < self._refill_s:
            self.forgotten_early += sum(1 for full_at in self._old.values() if full_at > now)
        self._old = self._young
        self._young = {}
        self._turned_at = now

    def _open_one(self, key: bytes) -> None:
        self._open[key] = self._open.get(key, 0) + 1
        self.open_total += 1


def unmapped(source: bytes) -> bytes:
    """An IPv4 address in IPv6 clothes is the IPv4 address; anything else stays."""
    if len(source) == 16 and source.startswith(_MAPPED):
        return source[12:]
    return source


def _parse(network: str, ipv6_prefix: int) -> tuple[int, int, int]:
    """Bytes of the address, bits to shift away, and what is left of it then."""
    try:
        parsed = ip_network(network, strict=False)
    except ValueError as error:
        raise BadNetwork(f"{network!r} is neither an address nor a prefix") from error
    bits = parsed.max_prefixlen
    length = parsed.prefixlen
    if bits == 128 and length == 128:
        length = ipv6_prefix
    return bits // 8, bits - length, int(parsed.network_address) >> (bits - length)
