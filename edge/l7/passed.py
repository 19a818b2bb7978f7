"""What did the stages that ask nothing but the head find in it?

A head's normal path, its route, what the firewall says of it, the token that it
brings and how it reads for the service are pure functions of its bytes, and phones
repeat themselves.  So they are kept beside the head in its memory
(`edge.l7.http1.memo`), and the pipeline recalls them instead of asking again.

What depends on the moment, on who asks or on what others did meanwhile is asked
each time: is the session over, are the limits spent, is there room, is it cached.

State: one `Passed` per remembered head, some 300 bytes; the memory bounds their number.
"""

from typing import Any

from edge.l7.request import Credentials, Note, Request
from edge.l7.route import Route


class Passed:
    """What was found, and under what it holds."""

    __slots__ = ("by", "credentials", "note", "onward", "path", "query", "route", "until_unix", "wanted")

    def __init__(self, by: object, until_unix: float, request: Request, last: str) -> None:
        """`last`: the name of the last of those stages."""
        self.by = by  # a token of the pipeline whose stages these were: a new configuration brings a new one
        self.until_unix = until_unix  # an exclusion of the firewall's may end
        self.path = request.path
        self.query = request.query
        self.route: Route | None = request.route
        self.note: Note = (last, "this head was judged before, byte for byte", ())
        # Of stages that ask more than the head, what they found in it; filled in when they have looked.
        self.credentials: Credentials | None = None
        self.wanted: Any = None  # the cache's: key, fields that matter, directives
        self.onward: tuple[bytes, bytes] | None = None  # lines for the service, before and behind the ids

    def recall(self, request: Request) -> None:
        """Do to `request` what those stages would."""
        request.path = self.path
        request.query = self.query
        request.route = self.route
        request.passed = self
        request.why.append(self.note)
