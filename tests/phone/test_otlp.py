"""OTLP/JSON, read by OpenTelemetry's own classes."""

import base64
import copy
from typing import Any

from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from edge.common.spans import Span
from edge.phone.otlp import export
from tests.kit.traces import TRACE_ID, cold_feed, span
from tests.phone.strategies import UNTIMED, traces

OFFSET_NS = 1_700_000_000_000_000_000


def read_by_the_oracle(exported: dict[str, Any]) -> ExportTraceServiceRequest:
    """OTLP's JSON has ids in hex where protobuf's JSON has base64; the rest is the same."""
    data = copy.deepcopy(exported)
    for resource in data["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for one in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    one[key] = base64.b64encode(bytes.fromhex(_hex(one[key]))).decode()
    request = ExportTraceServiceRequest()
    ParseDict(data, request)
    return request


def _hex(text: str) -> str:
    # The made-up traces have ids such as "l7.waf", which real processes never send.
    is_hex = set(text) <= set("0123456789abcdef") and len(text) % 2 == 0
    return text if is_hex else text.encode().hex()


def test_the_official_reader_takes_it_and_finds_the_same_times() -> None:
    """Hence Jaeger and Tempo do."""
    spans = cold_feed()

    request = read_by_the_oracle(export(spans, OFFSET_NS))

    scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
    read = [one for scope in scopes for one in scope.spans]
    assert len(read) == len(spans)
    assert {one.trace_id.hex() for one in read} == {TRACE_ID}
    assert min(one.start_time_unix_nano for one in read) == min(one.start_ns for one in spans) + OFFSET_NS
    failed = [one for one in read if one.status.code == 2]
    assert [one.status.message for one in failed] == ["timed out"]


def test_each_process_is_a_resource_of_its_own() -> None:
    """The reader groups by them."""
    request = read_by_the_oracle(export(cold_feed(), OFFSET_NS))

    names = {
        attribute.value.string_value
        for resource in request.resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.instance.id"
    }
    assert {"phone", "dns-1", "l4-mumbai-a", "l7-mumbai-1", "feed-2", "ranking-1"} <= names


def test_attributes_keep_their_kind() -> None:
    """True is not 1, and a number of 64 bits is a string in JSON."""
    one = span("a", "", "a", 0, 1, flag=True, count=2**40, share=0.5, word="x")

    told = export([one], 0)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]

    assert [entry["value"] for entry in told] == [
        {"boolValue": True},
        {"intValue": str(2**40)},
        {"doubleValue": 0.5},
        {"stringValue": "x"},
    ]


@UNTIMED
@given(traces())
def test_any_trace_is_readable(spans: list[Span]) -> None:
    """Whatever the processes told."""
    read_by_the_oracle(export(spans, OFFSET_NS))
