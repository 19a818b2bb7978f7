"""What may a stage say about a request?

Three things: nothing (`CONTINUE`: the next stage looks at it), `Answer` (the
phone is answered now and no later stage runs), or `Wait` (somebody else is
fetching exactly this; ask the same stage again when that is over).
"""

from dataclasses import dataclass
from typing import Final

CONTINUE: Final = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer the phone now; no later stage runs.

    With `body` None the phone gets problem+json (RFC 9457) made from `status`
    and `detail`; with a body it gets exactly `headers`, `content_type` and `body`.
    `headers` are (lower-case name, value) and never frame the message:
    Content-Length is written by whoever sends it.
    """

    status: int
    reason: str  # a metric label from a small fixed set: "WAF" "AUTH" "RL" "NR" "SHED" "REDIRECT" "HIT" ...
    detail: str = ""  # one sentence for the phone; never names our insides
    why: str = ""  # one sentence for log and trace
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after_s: float | None = None
    body: bytes | None = None
    content_type: bytes = b"application/json"
    problem_type: str = "about:blank"  # RFC 9457's `type`
    written: bytes = b""  # `headers` and `content_type` as lines, where an answer is given many times


@dataclass(frozen=True, slots=True)
class Wait:
    """Another request is fetching the same thing: ask again when `token` is released.

    The connection waits for at most `timeout_s`, then asks the same stage again,
    which has to decide otherwise this time.
    """

    token: object
    timeout_s: float
    why: str = "another request is fetching the same thing"


Verdict = Answer | Wait | None
