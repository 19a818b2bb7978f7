"""HAR 1.2 as its specification has it, field by field: the slow, obvious reader.

From http://www.softwareishard.com/blog/har-12-spec/; what is optional there is
optional here, and an unknown name is an error unless it begins with an underscore,
which is where the specification leaves room.
"""

import math
from datetime import datetime
from typing import Any

import msgspec


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """No field that the specification does not know."""

    comment: str = ""


class Named(Strict):
    """A header or a parameter of a query."""

    name: str
    value: str


class Cookie(Named):
    """One cookie."""

    path: str = ""
    domain: str = ""
    expires: str = ""
    httpOnly: bool = False
    secure: bool = False


class Creator(Strict):
    """Which program wrote it."""

    name: str
    version: str


class PageTimings(Strict):
    """Milliseconds since the page began."""

    onContentLoad: float | None = None
    onLoad: float | None = None


class Page(Strict):
    """A page."""

    startedDateTime: datetime
    id: str
    title: str
    pageTimings: PageTimings


class Request(Strict):
    """What was asked."""

    method: str
    url: str
    httpVersion: str
    cookies: list[Cookie]
    headers: list[Named]
    queryString: list[Named]
    headersSize: int
    bodySize: int


class Content(Strict):
    """The body."""

    size: int
    mimeType: str
    compression: int = 0
    text: str = ""
    encoding: str = ""


class Response(Strict):
    """What was answered."""

    status: int
    statusText: str
    httpVersion: str
    cookies: list[Cookie]
    headers: list[Named]
    content: Content
    redirectURL: str
    headersSize: int
    bodySize: int


class Timings(Strict):
    """Milliseconds; -1: does not apply."""

    send: float
    wait: float
    receive: float
    blocked: float = -1
    dns: float = -1
    connect: float = -1
    ssl: float = -1


class Entry(Strict):
    """One request."""

    startedDateTime: datetime
    time: float
    request: Request
    response: Response
    cache: dict[str, Any]
    timings: Timings
    pageref: str = ""
    serverIPAddress: str = ""
    connection: str = ""


class Log(Strict):
    """Everything."""

    version: str
    creator: Creator
    entries: list[Entry]
    pages: list[Page] = []
    browser: Creator | None = None


class Har(Strict):
    """The file."""

    log: Log


def read(exported: dict[str, Any]) -> Log:
    """The log, checked.  Raises `msgspec.ValidationError` or `AssertionError`."""
    log = msgspec.convert(_without_own(exported), Har, strict=True).log
    assert log.version == "1.2"
    pages = {page.id for page in log.pages}
    assert len(pages) == len(log.pages), "ids are unique"
    for entry in log.entries:
        assert entry.startedDateTime.tzinfo is not None, "ISO 8601 with a zone"
        assert not entry.pageref or entry.pageref in pages
        timings = entry.timings
        phases = (timings.blocked, timings.dns, timings.connect, timings.send, timings.wait, timings.receive)
        told = sum(phase for phase in phases if phase != -1)
        assert all(phase >= 0 or phase == -1 for phase in phases)
        assert min(timings.send, timings.wait, timings.receive) >= 0, "these three are not optional"
        assert math.isclose(entry.time, told, abs_tol=1e-6), f"time {entry.time} is the sum of all, {told}"
        assert timings.ssl == -1 or timings.ssl <= timings.connect, "ssl is a part of connect"
    return log


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(inner) for key, inner in value.items() if not key.startswith("_")}
    return [_without_own(inner) for inner in value] if isinstance(value, list) else value
