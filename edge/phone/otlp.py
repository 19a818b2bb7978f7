"""The trace as OTLP/JSON, for Jaeger, Tempo and every other reader of OpenTelemetry.

OTLP's JSON is not protobuf's: ids are hexadecimal, enums are numbers, and 64-bit
integers are decimal strings (opentelemetry-proto, docs/specification.md, "JSON
Protobuf Encoding").  Times become Unix time by one offset for all spans, so that
nothing moves against anything else.
"""

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from typing import Any

from edge.common.spans import Attribute, Span

SCOPE = {"name": "edge"}
_STATUS_ERROR = 2
_SPELLED = {inf: "Infinity", -inf: "-Infinity"}


def export(
    spans: Iterable[Span], unix_offset_ns: int, resource: Mapping[str, Attribute] | None = None
) -> dict[str, Any]:
    """An `ExportTraceServiceRequest`; `unix_offset_ns` is Unix time minus CLOCK_MONOTONIC.

    `resource` is added to what every process says of itself; who it is, it knows best.
    """
    resources: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for span in spans:
        resources.setdefault((span.service, span.instance, span.pid), []).append(_span(span, unix_offset_ns))
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": _attributes(
                        {
                            "service.namespace": "edge",
                            **(resource or {}),
                            "service.name": service,
                            "service.instance.id": instance,
                            "process.pid": pid,
                        }
                    )
                },
                "scopeSpans": [{"scope": SCOPE, "spans": told}],
            }
            for (service, instance, pid), told in resources.items()
        ]
    }


def _span(span: Span, unix_offset_ns: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns + unix_offset_ns),
        "endTimeUnixNano": str(span.end_ns + unix_offset_ns),
        "attributes": _attributes(span.attributes),
        "status": {"code": _STATUS_ERROR, "message": span.error} if span.error else {},
    }
    return told


def _attributes(attributes: dict[str, Attribute]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Attribute) -> dict[str, Any]:
    if isinstance(value, bool):  # before int, which it is too
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        # JSON has no infinity; protobuf's JSON spells it (protobuf.dev, "ProtoJSON Format").
        return {"doubleValue": value if isfinite(value) else _SPELLED.get(value, "NaN")}
    return {"stringValue": value}
