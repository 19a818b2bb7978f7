"""What bytes does the phone get?

Answers of our own become problem+json (RFC 9457) or the body that a stage gave;
answers of a service get their head written anew.  Lines that repeat are made
once: status lines per status, the rest by joining fragments.
"""

from http import HTTPStatus
from typing import Final

import orjson

from edge.l7.verdict import Answer

STATUS_LINES: Final[dict[int, bytes]] = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
} | {413: b"HTTP/1.1 413 Content Too Large\r\n", 422: b"HTTP/1.1 422 Unprocessable Content\r\n"}
CLOSE: Final = b"connection: close\r\n"
CHUNKED_LINE: Final = b"transfer-encoding: chunked\r\n"
CONTINUE_100: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_BODY: Final = frozenset((204, 304))


def status_line(status: int) -> bytes:
    """The first line of an answer; a status without a name of its own gets an empty one."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def answer_bytes(
    answer: Answer, *, lines: bytes, trace_id: str, method: str, close: bool, hop: str
) -> tuple[bytes, int]:
    """The whole message for `answer`, and how many of its bytes are body.

    `lines` are further header lines, each ending in CRLF; `hop` names this worker.
    """
    body = _problem(answer, trace_id, hop) if answer.body is None else answer.body
    parts = [status_line(answer.status), answer.written or written(answer)]
    if answer.retry_after_s is not None:
        # RFC 9110 section 10.2.3: whole seconds; rounded up, so that a polite phone is not refused again.
        parts.append(b"retry-after: %d\r\n" % max(1, int(answer.retry_after_s + 0.999)))
    if answer.status not in _NO_BODY:
        parts.append(b"content-length: %d\r\n" % len(body))
    else:
        body = b""
    if answer.body is None:
        parts.append(b"cache-control: no-store\r\n")
    if close:
        parts.append(CLOSE)
    parts.append(lines)
    parts.append(b"\r\n")
    if method != "HEAD":
        parts.append(body)
        return b"".join(parts), len(body)
    return b"".join(parts), 0


def written(answer: Answer) -> bytes:
    """The lines of `answer.headers` and of its content type."""
    lines = [b"%b: %b\r\n" % field for field in answer.headers]
    content_type = b"application/problem+json" if answer.body is None else answer.content_type
    if content_type and answer.status not in _NO_BODY:
        lines.append(b"content-type: %b\r\n" % content_type)
    return b"".join(lines)


def _problem(answer: Answer, trace_id: str, hop: str) -> bytes:
    return orjson.dumps(
        {
            "type": answer.problem_type,
            "title": _title(answer.status),
            "status": answer.status,
            "detail": answer.detail or _title(answer.status),
            "instance": f"urn:trace:{trace_id}",
            "trace_id": trace_id,
            "edge_flag": answer.reason,
            "hop": hop,
        }
    )


def _title(status: int) -> str:
    return status_line(status)[13:-2].decode()
