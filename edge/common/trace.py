"""Which trace does this request belong to?

W3C Trace Context: `traceparent: 00-<trace id>-<span id>-<flags>`.  The edge is
an untrusted border: a phone's ids are kept, so that its own tools find the
request, but its sampling decision is not.  Flags are a bit field: 1 sampled,
2 "the trace id is random" (level 2); the random bit is copied, never invented
for an id we did not make.
"""

import re

from msgspec import Struct

SAMPLED = 0x01
RANDOM = 0x02
_FORM = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)


class TraceContext(Struct, frozen=True, gc=False):
    """One position in one trace; ids are lower-case hex of 32 and 16 digits.

    A Struct, because each request makes one: a frozen dataclass takes five times as long.
    """

    trace_id: str
    span_id: str
    flags: int = SAMPLED | RANDOM
    keep: bool = False  # somebody asked to see this one (`edge-trace: 1`): write down its headers, too

    def header(self) -> str:
        """The value of `traceparent` that a callee is to continue from."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    def child(self, span_id: str) -> "TraceContext":
        """The same trace at another span."""
        return TraceContext(self.trace_id, span_id, self.flags, self.keep)

    def kept(self) -> "TraceContext":
        """The same position, of a request that somebody asked to see."""
        return TraceContext(self.trace_id, self.span_id, self.flags, True)


def parse_traceparent(value: bytes | None) -> TraceContext | None:
    """The context in a `traceparent` header, or None where it is absent or invalid.

    W3C Trace Context section 3.2: version ff and all-zero ids are invalid; a
    higher version is read by its first four fields.
    """
    found = None if value is None else _FORM.fullmatch(value)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more is not None and version == b"00":
        return None
    return TraceContext(trace_id.decode(), span_id.decode(), int(flags, 16) & (SAMPLED | RANDOM))


def new_context(random_bytes: bytes) -> TraceContext:
    """A trace that begins here, from 24 random bytes."""
    assert len(random_bytes) == 24, "16 bytes of trace id and 8 of span id"
    digits = random_bytes.hex()
    return TraceContext(digits[:32], digits[32:])
