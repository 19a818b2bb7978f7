"""OTLP's binary form, read by OpenTelemetry's own classes."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from edge.common.spans import CLIENT, INTERNAL, SERVER, Attribute, Span
from edge.phone.otlp import export
from edge.phone.otlp_protobuf import encode
from tests.phone.strategies import UNTIMED
from tests.phone.test_otlp import read_by_the_oracle

IDS = st.binary(min_size=8, max_size=8).map(bytes.hex)
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=300)
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start_ns = draw(st.integers(0, 2**62))
    attributes: dict[str, Attribute] = draw(st.dictionaries(st.text(max_size=20), VALUES, max_size=6))
    return Span(
        trace_id=draw(st.binary(min_size=16, max_size=16)).hex(),
        span_id=draw(IDS),
        parent_id=draw(st.one_of(st.just(""), IDS)),
        name=draw(st.text(max_size=300)),
        service=draw(st.sampled_from(("edge-l7", "feed", ""))),
        instance=draw(st.text(max_size=20)),
        pid=draw(st.integers(0, 2**22)),
        kind=draw(st.sampled_from((INTERNAL, SERVER, CLIENT))),
        start_ns=start_ns,
        end_ns=start_ns + draw(st.integers(0, 2**40)),
        error=draw(st.text(max_size=20)),
        attributes=attributes,
    )


@UNTIMED
@given(st.lists(spans(), max_size=4))
def test_both_forms_say_the_same(told: list[Span]) -> None:
    """JSON through protobuf's JSON reader, and our bytes: the same message."""
    exported = export(told, 1_700_000_000_000_000_000)

    request = ExportTraceServiceRequest()
    request.ParseFromString(encode(exported))

    assert request == read_by_the_oracle(exported)


def test_half_of_a_surrogate_pair_does_not_cost_the_batch() -> None:
    """A reader refuses the whole message for one string that is no UTF-8."""
    one = Span(
        trace_id="ab" * 16, span_id="cd" * 8, parent_id="", name="\ud800", service="x", instance="x",
        pid=1, start_ns=1, end_ns=2,
    )  # fmt: skip

    request = ExportTraceServiceRequest()
    request.ParseFromString(encode(export([one], 0)))

    assert request.resource_spans[0].scope_spans[0].spans[0].name == "?"
