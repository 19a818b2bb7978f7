"""What would a connection say to these bytes?  The worker's reading, without its sockets."""

from collections.abc import Callable

from edge.l7.http1.body import Body, ChunkedBody, LengthBody
from edge.l7.http1.head import Head, split_head
from edge.l7.http1.rules import CHUNKED, HeadLimits, Refused

OK = 200
INCOMPLETE = 0


def outcome(data: bytes, judge: Callable[[bytes], Head], limits: HeadLimits) -> tuple[int, bytes]:
    """The status for the first request in `data` (`INCOMPLETE`: it would be waited for), and its body."""
    try:
        split = split_head(data, limits)
        if split is None:
            return INCOMPLETE, b""
        head = judge(split[0])
        if not head.body:
            return OK, b""
        body: Body = ChunkedBody() if head.body == CHUNKED else LengthBody(head.body)
        content = b"".join(body.feed(split[1]))
        return (OK if body.complete else INCOMPLETE), content
    except Refused as refused:
        return refused.status, b""
