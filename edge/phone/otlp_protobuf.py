"""The same export as protobuf, for collectors that read nothing else.

Of protobuf's wire format (protobuf.dev, "Encoding") a trace needs three kinds of
field: varints, 64 fixed bits, and bytes with a length.  Writing these is thirty lines;
the official package is a dependency of megabytes, so it serves as the oracle in the
tests instead.  Field numbers: opentelemetry-proto, trace.proto and common.proto.
"""

import struct
from collections.abc import Iterable
from typing import Any

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_INT64_MASK = (1 << 64) - 1


def encode(exported: dict[str, Any]) -> bytes:
    """An `ExportTraceServiceRequest` from what `edge.phone.otlp.export` returns."""
    return b"".join(_bytes(1, _resource_spans(one)) for one in exported["resourceSpans"])


def _resource_spans(told: dict[str, Any]) -> bytes:
    scopes = b"".join(_bytes(2, _scope_spans(one)) for one in told["scopeSpans"])
    return _bytes(1, _attributes(1, told["resource"]["attributes"])) + scopes


def _scope_spans(told: dict[str, Any]) -> bytes:
    spans = b"".join(_bytes(2, _span(one)) for one in told["spans"])
    return _bytes(1, _text(1, told["scope"]["name"])) + spans


def _span(told: dict[str, Any]) -> bytes:
    parts = [
        _bytes(1, bytes.fromhex(told["traceId"])),
        _bytes(2, bytes.fromhex(told["spanId"])),
        _bytes(4, bytes.fromhex(told["parentSpanId"])) if told["parentSpanId"] else b"",
        _text(5, told["name"]),
        _number(6, told["kind"]),
        _fixed(7, int(told["startTimeUnixNano"])),
        _fixed(8, int(told["endTimeUnixNano"])),
        _attributes(9, told["attributes"]),
        _bytes(15, _status(told["status"])),
    ]
    return b"".join(parts)


def _status(told: dict[str, Any]) -> bytes:
    return _text(2, told["message"]) + _number(3, told["code"]) if told else b""


def _attributes(field: int, told: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(_bytes(field, _text(1, one["key"]) + _bytes(2, _value(one["value"]))) for one in told)


def _value(told: dict[str, Any]) -> bytes:
    # A oneof is written even where it holds its type's zero: it says which one it is.
    [(kind, value)] = told.items()
    if kind == "stringValue":
        return _bytes(1, _utf8(value))
    if kind == "boolValue":
        return _key(2, _VARINT) + _varint(int(value))
    if kind == "intValue":
        return _key(3, _VARINT) + _varint(int(value) & _INT64_MASK)
    assert kind == "doubleValue", kind
    return _key(4, _FIXED64) + struct.pack("<d", float(value))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, _utf8(text)) if text else b""


def _utf8(text: str) -> bytes:
    # What a phone sent may hold half of a surrogate pair, which protobuf's readers refuse.
    return text.encode("utf-8", "replace")


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _key(field, _FIXED64) + struct.pack("<Q", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(value)) + value


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
