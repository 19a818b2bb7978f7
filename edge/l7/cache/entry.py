"""What is remembered of one response, and how is it served again?

An entry knows its fields, its body, when its age was 0 and how long it is fresh.
A hit builds the answer once a second: `Age` and the `ttl` in `Cache-Status`
count whole seconds, so within one the answer is the same object.
"""

from dataclasses import replace
from typing import Final

from edge.common.config import CacheConfig
from edge.l7.answers import written
from edge.l7.cache.conditions import byte_range, may_use_range, not_modified
from edge.l7.cache.directives import Directives
from edge.l7.cache.fields import NOT_IN_304, Fields, Grouped, grouped, joined, updated
from edge.l7.cache.freshness import initial_age_s, lifetime_s, response_directives
from edge.l7.cache.http_date import parse_date
from edge.l7.request import Request
from edge.l7.verdict import Answer

# What an entry costs beside its bytes: the object, its tuples, its place in the tables.
OVERHEAD_BYTES: Final = 1200
NAME: Final = b"edge-cache"
_NO_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"range"})


class Entry:
    """One stored response."""

    __slots__ = (
        "_answer",
        "_second",
        "body",
        "born",
        "content_type",
        "date",
        "directives",
        "etag",
        "fields",
        "last_modified",
        "lifetime",
        "modified",
        "names",
        "size",
        "status",
        "values",
    )

    def __init__(
        self,
        status: int,
        fields: Fields,
        body: bytes,
        names: tuple[bytes, ...],
        values: tuple[bytes, ...],
    ) -> None:
        """`names` and `values`: what Vary names, and what the request had there."""
        self.status = status
        self.body = body
        self.names = names
        self.values = values
        self.fields = fields
        self.born = 0.0
        self.lifetime = 0.0
        self.directives = Directives()
        self._second = -1
        self._answer: Answer | None = None
        self._read(grouped(fields), 0.0)
        self.size = OVERHEAD_BYTES + len(body) + sum(len(name) + len(value) + 80 for name, value in fields)

    def date_from(
        self, fields: Grouped, config: CacheConfig, delay_s: float, now: float, unix_now: float
    ) -> None:
        """Work out age and lifetime from the response's own `fields` (before any were dropped)."""
        self.directives = response_directives(fields)
        lifetime = lifetime_s(self.status, fields, self.directives, config, unix_now)
        self.lifetime = lifetime or 0.0
        self.born = now - initial_age_s(fields, delay_s, unix_now)
        self.date = unix_now
        self._read(fields, unix_now)
        self._second = -1

    def freshen(
        self, fields: Fields, config: CacheConfig, delay_s: float, now: float, unix_now: float
    ) -> None:
        """Take over what a 304, or a HEAD, says anew (RFC 9111 section 4.3.4)."""
        self.fields = updated(self.fields, fields)
        merged = grouped(self.fields)
        new = grouped(fields)
        # Age was not stored; the new response's counts, and its silence means 0.
        merged.pop(b"age", None)
        if b"age" in new:
            merged[b"age"] = new[b"age"]
        if b"date" not in new:
            merged.pop(b"date", None)
        self.date_from(merged, config, delay_s, now, unix_now)

    def age(self, now: float) -> float:
        """Seconds since the service made it."""
        return now - self.born

    def matches(self, request: Request) -> bool:
        """Does `request` have what Vary names in the same way?"""
        return not self.names or selecting(request, self.names) == self.values

    def bound_to_validate(self) -> bool:
        """May it never be served stale (RFC 9111 section 4.2.4)?"""
        said = self.directives
        return said.must_revalidate or said.proxy_revalidate or said.no_cache or said.s_maxage is not None

    def validators(self) -> Fields:
        """The conditions that ask whether it is still good."""
        found: list[tuple[bytes, bytes]] = []
        if self.etag is not None:
            found.append((b"if-none-match", self.etag))
        if self.last_modified is not None:
            found.append((b"if-modified-since", self.last_modified))
        return tuple(found)

    def answer(self, asked: Grouped, now: float, why: str, status_note: bytes | None = None) -> Answer:
        """This response for a phone that `asked` so; 304 or a part where it wants no more.

        `status_note` stands in `Cache-Status` in place of "hit".
        """
        second = int(now - self.born)
        if status_note is None and _NO_CONDITIONS.isdisjoint(asked):
            if second == self._second and self._answer is not None:
                return self._answer
            answer = self._whole(second, b"hit", why)
            self._answer = replace(answer, written=written(answer))
            self._second = second
            return self._answer
        note = status_note or b"hit"
        if self.status == 200 and not_modified(
            _one(asked, b"if-none-match"),
            _one(asked, b"if-modified-since"),
            self.etag,
            self.modified,
            self.date,
        ):
            headers = tuple(pair for pair in self.fields if pair[0] not in NOT_IN_304)
            return self._made(304, headers, b"", b"", second, note, why)
        wanted = _one(asked, b"range")
        if wanted is None or self.status != 200:
            return self._whole(second, note, why)
        return self._part(wanted, _one(asked, b"if-range"), second, note, why)

    def _part(self, wanted: bytes, if_range: bytes | None, second: int, note: bytes, why: str) -> Answer:
        if not may_use_range(if_range, self.etag, self.last_modified):
            return self._whole(second, note, why)
        length = len(self.body)
        part = byte_range(wanted, length)
        if part is None:
            return self._whole(second, note, why)
        if part == "unsatisfiable":
            told = (b"content-range", b"bytes */%d" % length)
            return self._made(416, (told,), b"", b"", second, note, why)
        first, last = part
        headers = (*self._headers(), (b"content-range", b"bytes %d-%d/%d" % (first, last, length)))
        return self._made(206, headers, self.body[first : last + 1], self.content_type, second, note, why)

    def _whole(self, second: int, note: bytes, why: str) -> Answer:
        return self._made(self.status, self._headers(), self.body, self.content_type, second, note, why)

    def _headers(self) -> Fields:
        return tuple(pair for pair in self.fields if pair[0] != b"content-type")

    def _made(
        self,
        status: int,
        headers: Fields,
        body: bytes,
        content_type: bytes,
        second: int,
        note: bytes,
        why: str,
    ) -> Answer:
        ttl = int(self.lifetime) - second
        return Answer(
            status=status,
            reason="HIT",
            why=why,
            headers=(
                *headers,
                (b"age", b"%d" % max(0, second)),
                (b"cache-status", b"%b; %b; ttl=%d" % (NAME, note, ttl)),
            ),
            body=body,
            content_type=content_type,
        )

    def _read(self, fields: Grouped, unix_now: float) -> None:
        self.etag = _one(fields, b"etag")
        self.last_modified = _one(fields, b"last-modified")
        self.modified = None if self.last_modified is None else parse_date(self.last_modified)
        date = _one(fields, b"date")
        self.date = (None if date is None else parse_date(date)) or unix_now
        self.content_type = _one(fields, b"content-type") or b""


def _one(fields: Grouped, name: bytes) -> bytes | None:
    values = fields.get(name)
    return values[0] if values else None


def vary_names(fields: Grouped) -> tuple[bytes, ...]:
    """The field names in Vary, lower case, each once, sorted."""
    names = {name.strip().lower() for name in joined(fields, b"vary").split(b",")}
    return tuple(sorted(names - {b""}))


def selecting(request: Request, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What `request` has in the fields `names`, one normal form each; an absent field is "".

    Lines are joined and blanks around commas dropped (RFC 9111 section 4.1);
    languages and encodings know no case.
    """
    found: list[bytes] = []
    for name in names:
        lines = [value for key, value in request.headers if key == name]
        value = b",".join(part.strip() for line in lines for part in line.split(b","))
        if name in (b"accept-language", b"accept-encoding"):
            value = value.replace(b" ", b"").lower()
        found.append(value if lines else b"")
    return tuple(found)
