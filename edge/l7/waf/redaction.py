"""Which pieces of a text are secrets, when it may be anything that a phone has sent?"""

import re

# The pairs of a URL or a cookie that is a value itself, encoded or not, those of JSON, a field of a multipart
# body read in one piece, and the password before a host.
_SECRET_WITHIN = re.compile(
    r"(?i)((?:pass|pwd|secret|token|api.?key|session|card|cvv|otp)[\w\-]{0,20}(?:=|%3d|\"?\s*:\s*\"?|\"\s+))"
    r"(?!\[\d+\])([^&;,\s\"'<>]+)"
    r"|(//[^/@\s:]{0,64}:)([^/@\s]{1,64})(?=@)"
)


def without_secrets(text: str) -> str:
    """`text` with what follows a secret's name, and the password of a URL, replaced by its length."""
    return _SECRET_WITHIN.sub(lambda found: f"{found[1] or found[3]}[{len(found[2] or found[4])}]", text)


def uncut(value: bytes, begin: int) -> int:
    """Where a fragment of `value` that would begin at `begin` has to: not behind the name of a secret."""
    low = max(0, begin - _LOOK_BACK_BYTES)
    around = value[low : begin + _LOOK_BACK_BYTES].decode("latin-1")
    for found in _SECRET_WITHIN.finditer(around):
        if found.start() < begin - low < found.end():
            return low + found.start()
    return begin


_LOOK_BACK_BYTES = 256
