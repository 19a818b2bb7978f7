"""Is this answer whole?

Enough HTTP for a load generator that asks friendly servers: a length, chunks, or
no body.  Whatever else comes ends with the connection.
"""

_END_OF_HEAD = b"\r\n\r\n"


def status_of(data: bytes | bytearray) -> int:
    """The status code; 0 for what is no answer."""
    return int(data[9:12]) if data[:5] == b"HTTP/" and data[9:12].isdigit() else 0


def is_whole(data: bytes | bytearray) -> bool:
    """Has the whole answer come?"""
    end = data.find(_END_OF_HEAD)
    if end < 0:
        return False
    body_begins = end + len(_END_OF_HEAD)
    head = bytes(data[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        return len(data) >= body_begins + length
    if b"\r\ntransfer-encoding: chunked" in head:
        return data.endswith(b"0\r\n\r\n")
    return status_of(data) in (204, 304)
