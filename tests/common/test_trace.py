"""traceparent, as W3C Trace Context has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.trace import RANDOM, SAMPLED, TraceContext, new_context, parse_traceparent

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@given(st.binary(min_size=24, max_size=24).filter(lambda raw: any(raw[:16]) and any(raw[16:])))
def test_what_we_send_is_what_the_next_hop_reads(raw: bytes) -> None:
    """One id works in every tool."""
    context = new_context(raw)

    assert parse_traceparent(context.header().encode()) == context


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{ID}-{'0' * 16}-01".encode(),
        f"ff-{ID}-{SPAN}-01".encode(),
        f"00-{ID.upper()}-{SPAN}-01".encode(),
        f"00-{ID}-{SPAN}-01-more".encode(),
        f"01-{ID}-{SPAN}-01more".encode(),
        f"00_{ID}-{SPAN}-01".encode(),
        f"00-{ID}-{SPAN}-0x".encode(),
    ],
)
def test_an_invalid_header_starts_a_new_trace(value: bytes) -> None:
    """Section 3.2: what cannot be parsed is as if it were absent."""
    assert parse_traceparent(value) is None


def test_a_higher_version_is_read_by_its_first_four_fields() -> None:
    """Section 4: forward compatibility."""
    parsed = parse_traceparent(f"cc-{ID}-{SPAN}-01-what-the-future-brings".encode())

    assert parsed == TraceContext(ID, SPAN, SAMPLED)


def test_flags_are_bits_and_unknown_ones_are_dropped() -> None:
    """Comparing the flags with "01" is a common bug: level 2 sends 03."""
    parsed = parse_traceparent(f"00-{ID}-{SPAN}-ff".encode())

    assert parsed is not None
    assert parsed.flags == SAMPLED | RANDOM
    assert parsed.child("1" * 16).header() == f"00-{ID}-{'1' * 16}-03"


def test_an_absent_header_is_no_context() -> None:
    """The usual phone sends none."""
    assert parse_traceparent(None) is None
