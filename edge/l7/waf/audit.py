"""What is written down about a request that the firewall had something to say about?

One flat JSON-able mapping per request: enough to explain it, replay it and tune the rules, and nothing that
would turn the log into a second place where passwords are kept.  Values of fields with secret-looking names,
of Authorization and of cookies are replaced by their length; every fragment is at most 64 bytes."""

import re
from collections.abc import Mapping
from typing import Any

from edge.l7.waf.redaction import without_secrets
from edge.l7.waf.request import Match, WafRequest, WafVerdict

_SECRET = re.compile(
    r"(?i)pass|pwd|secret|token|api.?key|authorization|cookie|session|credit|card|cvv|ssn|otp|\bpin\b"
)
_SECRET_WORD = re.compile(
    rb"(?i)(?:pass|pwd|secret|token|api.?key|authorization|cookie|session|card|cvv|otp)[^&;]{0,20}[=:]"
)
_SECRET_PAIR = re.compile(
    rb"(?i)((?:^|[?&;])[^=&;]{0,60}(?:pass|pwd|secret|token|api.?key|session|card|cvv|otp)[^=&;]{0,60}=)([^&;]*)"
)
TARGET_BYTES_MAX = 1024
MATCHES_MAX = 50


def audit_record(
    verdict: WafVerdict,
    request: WafRequest,
    *,
    request_id: str,
    route: str = "",
    mode: str = "block",
    unix_s: float = 0.0,
    inspect_us: float | None = None,
) -> dict[str, Any]:
    """One line of the audit log.  Keys are flat where a person filters by them.

    `inspect_us`: where somebody has measured it; a worker's trace has the time of its stages.
    """
    record = {
        "event.name": "edge.waf",
        "request_id": request_id,
        "part": verdict.part,
        "unix_s": round(unix_s, 6),
        "client": request.client,
        "route": route,
        "mode": mode,
        "action": verdict.action,
        "status": verdict.status,
        "score": verdict.score,
        "detection_score": verdict.detection_score,
        "threshold": verdict.threshold,
        "families": dict(verdict.families),
        "method": request.method,
        "host": next((value.decode("latin-1") for name, value in request.headers if name == b"host"), ""),
        "target": redacted_target(request.target),
        "path": without_secrets(request.target.partition(b"?")[0][:TARGET_BYTES_MAX].decode("latin-1")),
        "matches": [match_record(match) for match in verdict.matches[:MATCHES_MAX]],
        "bookkeeping": [match.id for match in verdict.bookkeeping],
        "excluded": list(verdict.excluded),
        "inspected_bytes": verdict.inspected_bytes,
        "over_budget": verdict.over_budget,
    }
    return record if inspect_us is None else record | {"inspect_us": round(inspect_us, 1)}


def match_record(match: Match) -> dict[str, Any]:
    """One match, its fragment redacted where the variable's name says that it may be a secret."""
    # What rules look for in the body of an answer is what must not get out: into a log neither.
    secret = match.variable.startswith(("REQUEST_COOKIES:", "RESPONSE_BODY"))
    secret = secret or bool(_SECRET.search(match.variable))
    # A value that is a whole request or body has no name of its own; a secret's name may stand in it.
    if not secret and (":" not in match.variable or match.variable == "ARGS:json"):
        secret = bool(_SECRET_WORD.search(match.value))
    fragment = match.value.decode("utf-8", "backslashreplace")
    return {
        "id": match.id,
        "msg": match.message,
        "severity": match.severity,
        "points": match.points,
        "paranoia": match.paranoia,
        "phase": match.phase,
        "variable": match.variable,
        "transforms": list(match.transforms),
        "offset": match.offset,
        "fragment": f"[{len(match.value)} bytes]" if secret else without_secrets(fragment),
        "tags": [tag for tag in match.tags if tag.startswith("attack-")],
        "place": match.place,
        "operator": match.operator,
        "why": match.explanation,
    }


def redacted_target(target: bytes) -> str:
    """The request target with the values of secret-looking fields replaced by their length."""
    hidden = _SECRET_PAIR.sub(lambda found: found[1] + b"[%d]" % len(found[2]), target[:TARGET_BYTES_MAX])
    return without_secrets(hidden.decode("latin-1"))


def is_audit_record(record: Mapping[str, Any]) -> bool:
    """Whether a JSON line is one of ours."""
    return record.get("event.name") == "edge.waf" and "request_id" in record
