"""One request is on its way to the service: what becomes of its answer?

A `Flight` is the cache's `edge.l7.fetch.Fetch` for one request.  It adds the
conditions that revalidate a stored response, looks at the head that comes back,
gathers the body if it may be stored, and at the end stores it.  While a flight
that *leads* is in the air, others who ask for the same URL wait for it.

It decides nothing about requests: that is `edge.l7.cache.stage`.
"""

from typing import Final, Protocol

from edge.common.config import CacheConfig
from edge.l7.cache.directives import Directives
from edge.l7.cache.entry import NAME, Entry, selecting, vary_names
from edge.l7.cache.fields import Fields, Grouped, grouped, kept
from edge.l7.cache.freshness import lifetime_s, response_directives
from edge.l7.cache.storable import why_not
from edge.l7.cache.store import Key, Store
from edge.l7.request import Request
from edge.l7.verdict import Answer

# RFC 5861 section 4 names these as errors for stale-if-error.
ERRORS: Final = frozenset({500, 502, 503, 504})
_OWN_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
_NOTHING: Final[frozenset[bytes]] = frozenset()
_NOBODY: Final = Request("GET", b"/", ())


class Tower(Protocol):
    """What a flight needs of the stage that sent it."""

    config: CacheConfig
    store: Store

    def landed(self, flight: "Flight", storable: bool, now: float) -> None:
        """The flight is over."""


class Flight:
    """See the module."""

    def __init__(
        self,
        tower: Tower,
        key: Key,
        request: Request,
        asked: Grouped,
        said: Directives,
        reason: bytes,
        now: float,
        *,
        stale: Entry | None = None,
        leads: bool = False,
        records: bool = True,
    ) -> None:
        """`reason`: the `fwd` of Cache-Status; `stale`: the entry that is being revalidated."""
        self.token = object()
        self.key = key
        self.leads = leads
        self.storable = False
        self._tower = tower
        self._request = request
        self._asked = asked
        self._said = said
        self._reason = reason
        self._sent_at = self._head_at = now
        self._head_unix = 0.0
        self._stale = stale
        self._records = records
        self._status = 0
        self._fields: Fields = ()
        self._note = b""
        self._pieces: list[bytes] | None = None
        self._bytes = 0
        self._over = False
        self._answered = False

    # -- towards the service ----------------------------------------------------------

    def request_fields(self) -> Fields:
        """Ask whether what we have is still good."""
        return self._stale.validators() if self._stale is not None else ()

    def drop_request_fields(self) -> frozenset[bytes]:
        """Who revalidates, or fetches for others too, asks for the whole thing and on its own conditions."""
        return _OWN_CONDITIONS if self._stale is not None or self.leads else _NOTHING

    def varies_by(self) -> frozenset[bytes]:
        """What selects among the variants: it has to be sent as the phone sent it."""
        return frozenset(self._stale.names) if self._stale is not None else _NOTHING

    # -- and back ---------------------------------------------------------------------

    def response(self, status: int, fields: Fields, now: float, unix_now: float) -> Answer | None:
        """Look at the head; see `Fetch`."""
        self._status = status
        self._head_at, self._head_unix = now, unix_now
        stale = self._stale
        if stale is not None and status == 304:
            return self._still_good(stale, fields, now, unix_now)
        if stale is not None and status in ERRORS and self._may_serve_stale(stale, now):
            self._answered = True
            note = b"fwd=stale; fwd-status=%d; detail=stale-if-error" % status
            return stale.answer(self._asked, now, f"cache: the service answered {status}", note)
        by_name = grouped(fields)
        if self._request.method == "HEAD":
            self._learn_from_head(fields, by_name, now, unix_now)
            return None
        self._judge(fields, by_name, now, unix_now)
        return None

    def failed(self, now: float, unix_now: float) -> Answer | None:
        """No answer came: a stale one is better than none, where that is allowed."""
        stale = self._stale
        if stale is None or not self._may_serve_stale(stale, now):
            return None
        self._answered = True
        return stale.answer(
            self._asked, now, "cache: the service gave no answer", b"fwd=stale; detail=stale-if-error"
        )

    def reply_lines(self) -> bytes:
        """`Cache-Status` of a response that was passed on."""
        if self._answered:
            return b""
        return b"cache-status: %b; fwd=%b%b\r\n" % (NAME, self._reason, self._note)

    def data(self, piece: bytes) -> None:
        """Gather the body, up to what one object may have."""
        if self._pieces is None:
            return
        self._bytes += len(piece)
        if self._bytes > self._tower.config.object_bytes_max:
            self._pieces = None
            self.storable = False
            return
        self._pieces.append(bytes(piece))

    def end(self, complete: bool, now: float, unix_now: float) -> None:
        """Store what was gathered, if all of it came."""
        if self._over:
            return
        self._over = True
        if complete and self._pieces is not None:
            self._keep(b"".join(self._pieces))
        self._pieces = None
        # The request holds us: letting go of it saves the collector a cycle per miss.
        self._request = _NOBODY
        self._tower.landed(self, self.storable, now)

    # -- what the head means ----------------------------------------------------------

    def _still_good(self, stale: Entry, fields: Fields, now: float, unix_now: float) -> Answer:
        delay_s = now - self._sent_at
        stale.freshen(fields, self._tower.config, delay_s, now, unix_now)
        self.storable = self._answered = True
        if stale.directives.no_store or stale.directives.private:
            # It may be used for this answer, but not be kept any longer.
            self._tower.store.remove(self.key, stale)
        return stale.answer(
            self._asked, now, "cache: still good, says the service", b"fwd=stale; fwd-status=304"
        )

    def _judge(self, fields: Fields, by_name: Grouped, now: float, unix_now: float) -> None:
        config = self._tower.config
        directives = response_directives(by_name)
        route = self._request.route
        reason = why_not(
            status=self._status,
            fields=by_name,
            response=directives,
            request=self._said,
            authorized=b"authorization" in self._asked,
            cookies=b"cookie" in self._asked,
            cookies_allowed=route is not None and route.config.cache_cookies,
            lifetime_s=lifetime_s(self._status, by_name, directives, config, unix_now),
        )
        length = by_name.get(b"content-length")
        if not reason and length and length[0].isdigit() and int(length[0]) > config.object_bytes_max:
            reason = "too large"
        self._note = b"; fwd-status=%d" % self._status if self._stale is not None else b""
        if reason:
            self._note += b'; detail="%b"' % reason.encode().replace(b'"', b"'")
            if self._status < 500 and self._status != 304:
                # Whatever was stored under this variant is not what the service gives any more.
                found = self._tower.store.find(self.key, self._request)
                if found is not None:
                    self._tower.store.remove(self.key, found)
            return
        self.storable = True
        if self._records:
            self._fields = fields
            self._pieces = []
            self._note += b"; stored"

    def _keep(self, body: bytes) -> None:
        by_name = grouped(self._fields)
        length = by_name.get(b"content-length")
        if length and length[0].isdigit() and int(length[0]) != len(body):
            return  # cut short in a way the framing did not show
        names = vary_names(by_name)
        directives = response_directives(by_name)
        route = self._request.route
        hidden = directives.hidden if route is None else directives.hidden | route.drop_response
        fields = kept(self._fields, hidden)
        entry = Entry(self._status, fields, body, names, selecting(self._request, names))
        # RFC 9111 section 4.2.3: it ages from when it was asked for.
        delay_s = self._head_at - self._sent_at
        entry.date_from(by_name, self._tower.config, delay_s, self._head_at, self._head_unix)
        self._tower.store.put(self.key, entry)

    def _learn_from_head(self, fields: Fields, by_name: Grouped, now: float, unix_now: float) -> None:
        # RFC 9111 section 4.3.5: a HEAD may freshen what a GET stored, or show that it has changed.
        stored = self._tower.store.find(self.key, self._request)
        if stored is None or self._status != stored.status:
            return
        said = response_directives(by_name)
        if said.no_store or said.private:
            self._tower.store.remove(self.key, stored)
            return
        length = by_name.get(b"content-length")
        same = (
            (not length or length[0] == b"%d" % len(stored.body))
            and by_name.get(b"etag", [stored.etag])[0] == stored.etag
            and by_name.get(b"last-modified", [stored.last_modified])[0] == stored.last_modified
        )
        if same:
            stored.freshen(fields, self._tower.config, now - self._sent_at, now, unix_now)
        else:
            stored.lifetime = 0.0

    def _may_serve_stale(self, stale: Entry, now: float) -> bool:
        if stale.bound_to_validate():
            return False
        said = stale.directives.stale_if_error
        allowed = self._tower.config.stale_if_error_s if said is None else said
        return stale.age(now) - stale.lifetime <= allowed


class Watch:
    """A request that may change something: what it changed is forgotten (RFC 9111 section 4.4)."""

    def __init__(self, tower: Tower, key: Key) -> None:
        self.token = object()
        self._tower = tower
        self._key = key

    def request_fields(self) -> Fields:
        """Nothing is added."""
        return ()

    def drop_request_fields(self) -> frozenset[bytes]:
        """Nothing is taken away."""
        return _NOTHING

    def response(self, status: int, fields: Fields, now: float, unix_now: float) -> Answer | None:
        """A success invalidates the URL, and those of the same host that it names."""
        if 200 <= status < 400:
            host, path, _ = self._key
            self._tower.store.remove(self._key)
            for name, value in fields:
                if name.lower() in (b"location", b"content-location"):
                    named = _same_origin(value, host, path)
                    if named is not None:
                        self._tower.store.remove(named)
        return None

    def failed(self, now: float, unix_now: float) -> Answer | None:
        """Nothing stands in for a write."""
        return None

    def reply_lines(self) -> bytes:
        """Why it went to the service."""
        return b"cache-status: %b; fwd=method\r\n" % NAME

    def data(self, piece: bytes) -> None:
        """Its answer is nobody else's."""

    def end(self, complete: bool, now: float, unix_now: float) -> None:
        """Nothing to finish."""


def _same_origin(value: bytes, host: str, path: str) -> Key | None:
    """The key of the URL in a Location field, None where it is another host's."""
    text = value.decode("latin-1")
    scheme, separator, rest = text.partition("://")
    if separator and scheme in ("http", "https"):
        authority, slash, rest = rest.partition("/")
        if authority.lower() != host:
            return None
        text = slash + rest
    if not text.startswith("/"):
        text = path.rpartition("/")[0] + "/" + text
    target, _, query = text.partition("#")[0].partition("?")
    return host, target, query.encode("latin-1")
