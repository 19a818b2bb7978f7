"""Who is to blame, may we try again, and what do we tell the phone?

Every expected failure in the edge is an EdgeError and answers those three
questions itself, so the code that catches one never has to guess from a class
name.  A bug is not an EdgeError: it stays an AssertionError or a TypeError and
ends the connection loudly.
"""

from typing import ClassVar, Literal

Blame = Literal["phone", "edge", "service", "operator", "peer"]


class EdgeError(Exception):
    """An expected failure.

    `blame`: whose fault it is.  `retryable`: may the same work be tried again
    elsewhere?  `status_hint`: the HTTP status a phone would be told, or None
    where no phone is involved.
    """

    blame: ClassVar[Blame] = "edge"
    retryable: ClassVar[bool] = False
    status_hint: ClassVar[int | None] = 500


class FrameError(EdgeError):
    """A control-channel peer sent bytes that are no frame of ours; its link ends."""

    blame = "peer"
    status_hint = None


class LinkLost(EdgeError):
    """The other end of a control link went away; the caller lives on without it."""

    blame = "edge"
    retryable = True
    status_hint = None


class ConfigError(EdgeError):
    """The configuration cannot be used; `problems` holds every reason at once."""

    blame = "operator"
    status_hint = None

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
