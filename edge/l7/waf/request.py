"""What does the firewall get to see, and what does it say?

These are the only types that cross the boundary to the rest of the worker.
"""

from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

Headers = tuple[tuple[bytes, bytes], ...]
Action = Literal["pass", "block", "detect"]


class WafRequest(Struct, frozen=True, gc=False):
    """One request as it arrived.  `target` is the raw request target; header names are lower case.

    A Struct, because each request makes one: a frozen dataclass takes five times as long.
    """

    client: str
    method: str
    target: bytes
    protocol: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class WafResponse:
    """One answer of a service, for rules of the phases 3 and 4."""

    status: int
    protocol: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that fired, and everything a person needs to judge it.

    `variable` is the name of the value as a condition would spell it ("ARGS:q"); `value` is that value after
    `transforms`, at most `FRAGMENT_BYTES_MAX` bytes of it around the match; `offset` is where in the
    transformed value the match begins, -1 when the operator has no place."""

    id: int
    message: str
    severity: str
    points: int
    phase: int
    paranoia: int
    variable: str
    value: bytes
    offset: int
    transforms: tuple[str, ...]
    tags: tuple[str, ...]
    place: str
    operator: str = ""
    log_data: str = ""
    explanation: str = ""
    bookkeeping: bool = False


# A line of the audit log stays readable, and one request cannot make the log grow by its own size.
FRAGMENT_BYTES_MAX = 64
# Of the name of a value: the phone chose it, and with the wrong Content-Type it is a whole body.
NAME_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class WafVerdict:
    """What to do with the request, and why.

    `action` "detect": it would have been blocked, but the mode says only to log.  `status` is what the phone
    gets if it is blocked.  `part`: was it what the phone sent or what the service answered?  `matches` are
    the rules that say something about it; `bookkeeping` the rules that only counted; `excluded` the ids that
    an exclusion silenced."""

    action: Action = "pass"
    status: int = 403
    score: int = 0
    detection_score: int = 0
    threshold: int = 5
    matches: tuple[Match, ...] = ()
    bookkeeping: tuple[Match, ...] = ()
    excluded: tuple[int, ...] = ()
    inspected_bytes: int = 0
    over_budget: bool = False
    part: Literal["request", "answer"] = "request"
    families: tuple[tuple[str, int], ...] = field(default=())
    sum_max: int = 0  # the larger of the two sums (own rules, Core Rule Set); thresholds are compared with it
    by_score: bool = False  # blocked because a sum reached the threshold, and for no other reason

    @property
    def reason(self) -> str:
        """One sentence for the access log and the trace."""
        if not self.matches:
            return "nothing found" if self.action == "pass" else "the inspection budget was used up"
        worst = max(self.matches, key=lambda match: match.points)
        of = "the answer: " if self.part == "answer" else ""
        return (
            f"{of}rule {worst.id} ({worst.message}) on {worst.variable}; "
            f"score {self.score} of {self.threshold}"
        )


# The verdict of almost every request; one object, so that comparing with `is` is enough.
PASS = WafVerdict()
