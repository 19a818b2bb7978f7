"""What does a cache want from the connection that fetches for it?

The cache stage says `CONTINUE` on a miss and leaves a `Fetch` in
`request.fetch`.  The connection then asks it what to add to the request, shows
it the response head, and hands it each piece of the body on its way to the
phone.  All methods are synchronous and pure; the connection releases those who
`Wait` for `token` after `end`.
"""

from typing import Protocol

from edge.l7.verdict import Answer

Fields = tuple[tuple[bytes, bytes], ...]


class Fetch(Protocol):
    """One response on its way into the cache."""

    token: object  # what other requests `Wait` for

    def request_fields(self) -> Fields:
        """Fields for the service, such as If-None-Match; they replace the phone's own."""

    def drop_request_fields(self) -> frozenset[bytes]:
        """The phone's fields (lower case) that the service must not see, such as its own conditions."""

    def response(self, status: int, fields: Fields, now: float, unix_now: float) -> Answer | None:
        """The answer to send instead of this response (304 to our own validation), or None: pass it on."""

    def failed(self, now: float, unix_now: float) -> Answer | None:
        """The service gave no answer: a stale one (stale-if-error), or None."""

    def reply_lines(self) -> bytes:
        """Header lines for the phone, such as Cache-Status; valid after `response`."""

    def data(self, piece: bytes) -> None:
        """A piece of the body, in order."""

    def end(self, complete: bool, now: float, unix_now: float) -> None:
        """The body is over; `complete` is False when it was cut short.  Called exactly once."""
