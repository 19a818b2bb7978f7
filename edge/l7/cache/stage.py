"""Is there an answer in memory, or is somebody fetching it already?

The last stage.  For a route with `cache = true` it answers a GET or HEAD from
memory where RFC 9111 allows it, leaves a `Flight` in `request.fetch` where it
does not, and makes requests for the same URL wait while one is fetching it
(single flight): a thousand misses at once are one request to the service.

Waiting is for what will probably be storable.  A URL whose response turned out
not to be is remembered for a while and not waited for, or its readers would be
served one after the other (Varnish's hit-for-miss).

A response within its stale-while-revalidate window is served stale while it is
fetched anew in the background, if the worker lends a way to do that; else one
phone waits for it and the others get the stale one.

State: the store, the flights in the air, the URLs not to wait for, and the
requests that wait; all bounded.
"""

from collections.abc import Callable
from typing import Final

from edge.common.config import CacheConfig
from edge.l7.cache.directives import NONE, Directives, parse
from edge.l7.cache.entry import NAME, Entry
from edge.l7.cache.fields import Grouped
from edge.l7.cache.flight import Flight, Watch
from edge.l7.cache.store import Key, Store
from edge.l7.request import Request
from edge.l7.verdict import CONTINUE, Answer, Verdict, Wait

# How long a URL whose response could not be stored is fetched by everybody for himself.
PASS_S: Final = 30.0
PASS_ENTRIES_MAX: Final = 4096
WAITING_MAX: Final = 10_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OF_INTEREST: Final = frozenset(
    b"cache-control pragma range if-range if-none-match if-modified-since if-match if-unmodified-since"
    b" authorization cookie upgrade".split()
)
_CONDITIONS: Final = frozenset({b"range", b"if-none-match", b"if-modified-since"})
_ORIGINS_BUSINESS: Final = frozenset({b"if-match", b"if-unmodified-since", b"upgrade"})

_NOT_HERE = Answer(
    status=504,
    reason="HIT",
    detail="It is not in the cache, and nothing else was to be asked.",
    why="cache: only-if-cached",
    headers=((b"cache-status", b"%b; detail=only-if-cached" % NAME),),
)


class Cache:
    """The stage."""

    def __init__(
        self, config: CacheConfig, revalidate: Callable[[Request, Flight], None] | None = None
    ) -> None:
        """`revalidate` starts a background fetch for a flight; it has to call `end` like any other."""
        self.config = config
        self.store = Store(config)
        self._revalidate = revalidate
        self._flights: dict[Key, Flight] = {}
        self._pass_until: dict[Key, float] = {}
        self._waiting: dict[int, Flight] = {}
        self.hits = 0
        self.misses = 0
        self.collapsed = 0

    def __call__(self, request: Request, now: float, unix_now: float) -> Verdict:
        """Answer, wait, or let the request fetch."""
        route = request.route
        method = request.method
        if method in ("GET", "HEAD"):
            if route is None or not route.config.cache or request.body_expected:
                return CONTINUE
        else:
            if method not in _SAFE:
                key = (_authority(request.header(b"host")), request.path, request.query)
                if key in self.store or (route is not None and route.config.cache):
                    request.fetch = Watch(self, key)
            return CONTINUE
        passed = request.passed
        if passed is None:
            key, asked, said = _wanted(request)
        else:
            key, asked, said = passed.wanted = passed.wanted or _wanted(request)
        if asked and not _ORIGINS_BUSINESS.isdisjoint(asked):
            return CONTINUE
        entry = self.store.find(key, request)
        waited_for = self._waiting.pop(id(request), None) if self._waiting else None
        if entry is not None:
            return self._found(key, entry, request, asked, said, waited_for, now)
        if said.only_if_cached:
            return _NOT_HERE
        reason = b"vary-miss" if key in self.store else b"uri-miss"
        return self._fetch(key, None, request, asked, said, reason, waited_for, now)

    def purge(self, host: str, path: str) -> int:
        """Forget a path of a host ("" any), or all that begin so where it ends in "*"; says how many."""
        return self.store.purge(host, path)

    def landed(self, flight: Flight, storable: bool, now: float) -> None:
        """A flight is over; see `Tower`."""
        if not flight.leads:
            return
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if not storable:
            if len(self._pass_until) >= PASS_ENTRIES_MAX:
                del self._pass_until[next(iter(self._pass_until))]
            self._pass_until[flight.key] = now + PASS_S
        elif self._pass_until:
            self._pass_until.pop(flight.key, None)

    # -- with something in the store ----------------------------------------------------

    def _found(
        self,
        key: Key,
        entry: Entry,
        request: Request,
        asked: Grouped,
        said: Directives,
        waited_for: Flight | None,
        now: float,
    ) -> Verdict:
        age = now - entry.born
        fresh_s = entry.lifetime - age
        if (fresh_s > 0 and not entry.directives.no_cache and said is NONE) or _may_reuse(
            entry, said, age, fresh_s
        ):
            self.hits += 1
            if waited_for is not None:
                self.collapsed += 1
                return entry.answer(asked, now, "cache: fetched by another request", b"fwd=miss; collapsed")
            return entry.answer(asked, now, "cache: fresh")
        if said.only_if_cached:
            return _NOT_HERE
        window_s = entry.directives.stale_while_revalidate
        patient = window_s is not None and -fresh_s <= window_s and not entry.bound_to_validate()
        if patient and not said.no_cache and said.max_age is None:
            if key in self._flights:
                return self._stale_meanwhile(entry, asked, now)
            # What the firewall reads is fetched on the way that it reads.
            read = request.route is not None and request.route.reads_answers
            if self._revalidate is not None and not read:
                flight = Flight(self, key, request, {}, said, b"stale", now, stale=entry, leads=True)
                self._flights[key] = flight
                self._revalidate(request, flight)
                return self._stale_meanwhile(entry, asked, now)
        return self._fetch(key, entry, request, asked, said, b"stale", waited_for, now)

    def _stale_meanwhile(self, entry: Entry, asked: Grouped, now: float) -> Answer:
        self.hits += 1
        return entry.answer(asked, now, "cache: stale, and being fetched anew", b"hit; detail=stale")

    # -- with nothing that may be used ----------------------------------------------------

    def _fetch(
        self,
        key: Key,
        entry: Entry | None,
        request: Request,
        asked: Grouped,
        said: Directives,
        reason: bytes,
        waited_for: Flight | None,
        now: float,
    ) -> Verdict:
        whole = request.method == "GET" and (not asked or _CONDITIONS.isdisjoint(asked))
        flight = self._flights.get(key)
        if flight is not None and waited_for is not flight and whole and not said.no_store:
            if len(self._waiting) >= WAITING_MAX:
                self._waiting.clear()  # of phones that went away while they waited
            self._waiting[id(request)] = flight
            return Wait(flight.token, self.config.wait_s)
        self.misses += 1
        if request.method == "HEAD":
            request.fetch = Flight(self, key, request, asked, said, reason, now)
            return CONTINUE
        ranged = b"range" in asked
        passes = self._passes(key, now)
        leads = (
            flight is None
            and not passes
            and not ranged
            and not said.no_store
            and (whole or entry is not None)
        )
        records = leads or (flight is None and not ranged)
        if said.no_cache or said.max_age is not None:
            reason = b"request" if entry is not None else reason
        flight = Flight(
            self,
            key,
            request,
            asked,
            said,
            reason,
            now,
            # A part of something stale cannot be revalidated together with the whole.
            stale=None if ranged else entry,
            leads=leads,
            records=records,
        )
        request.fetch = flight
        if leads:
            self._flights[key] = flight
        return CONTINUE

    def _passes(self, key: Key, now: float) -> bool:
        until = self._pass_until.get(key)
        return until is not None and now < until


def _wanted(request: Request) -> tuple[Key, Grouped, Directives]:
    """Under which key it may be stored, the fields that matter to us, and what Cache-Control says."""
    asked: dict[bytes, list[bytes]] = {}
    authority: bytes | None = None
    for name, value in request.headers:
        if name in _OF_INTEREST:
            asked.setdefault(name, []).append(value)
        elif name == b"host":
            authority = value
    return (_authority(authority), request.path, request.query), asked, _said(asked) if asked else NONE


def _authority(host: bytes | None) -> str:
    # With its port: the service sees it and may write it into an answer, so a phone that makes
    # one up must not get that answer stored for the others.
    return "" if host is None else host.decode("latin-1").lower()


def _said(asked: Grouped) -> Directives:
    lines = asked.get(b"cache-control")
    if lines:
        return parse(lines[0] if len(lines) == 1 else b",".join(lines))
    # RFC 9111 section 5.4: Pragma counts only without Cache-Control.
    if any(b"no-cache" in value.lower() for value in asked.get(b"pragma", ())):
        return parse(b"no-cache")
    return NONE


def _may_reuse(entry: Entry, said: Directives, age: float, fresh_s: float) -> bool:
    """RFC 9111 section 4 and 5.2.1: may the stored response be used without asking?"""
    if entry.directives.no_cache or said.no_cache:
        return False
    if said.max_age is not None and age > said.max_age:
        return False
    if said.min_fresh is not None and fresh_s < said.min_fresh:
        return False
    if fresh_s > 0:
        return True
    return said.max_stale is not None and -fresh_s <= said.max_stale and not entry.bound_to_validate()
