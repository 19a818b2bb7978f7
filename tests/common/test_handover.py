"""Connections given from one process to another, as messages."""

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.handover import (
    BATCH_BYTES_MAX,
    CLOSED_MAX,
    CREDIT_BYTES_MAX,
    RECORDS_MAX,
    Credit,
    Handover,
    HandoverError,
    decode_batch,
    decode_credit,
    encode_batch,
    encode_credit,
)

RECORD = Handover(
    conn_id="c-7f-1",
    source_ip="203.0.113.9",
    source_port=40112,
    listener="https",
    accepted_ns=1_000,
    l4_name="l4-mumbai-a",
    l4_pid=4711,
    policy="weighted",
    why="its turn by weight, among 2",
    bucket_level=97.0,
    candidates=2,
    decided_ns=2_000,
    epoch=3,
    ticket=17,
)

numbers = st.integers(min_value=0, max_value=2**63 - 1)
records = st.builds(
    Handover,
    conn_id=st.text(max_size=20),
    source_ip=st.ip_addresses().map(str),
    source_port=st.integers(0, 65535),
    listener=st.sampled_from(["https", "http"]),
    accepted_ns=numbers,
    l4_name=st.text(max_size=20),
    l4_pid=numbers,
    policy=st.text(max_size=20),
    why=st.text(max_size=100),
    bucket_level=st.floats(allow_nan=False),
    candidates=numbers,
    decided_ns=numbers,
    epoch=numbers,
    ticket=numbers,
)


@given(numbers, st.lists(records, max_size=RECORDS_MAX))
def test_a_batch_arrives_as_it_was_sent(first: int, batch: list[Handover]) -> None:
    """The record is all that a trace knows of L4, also after the L4's death."""
    assert decode_batch(encode_batch(first, batch), len(batch)) == (first, batch)


@given(numbers, numbers, st.lists(numbers, max_size=50), st.booleans())
def test_a_credit_arrives_as_it_was_sent(taken: int, held: int, closed: list[int], draining: bool) -> None:
    """A lost number here would make a source look connected for ever."""
    credit = Credit(taken, held, closed, draining)

    assert decode_credit(encode_credit(credit)) == credit


def test_the_largest_messages_fit_their_buffers() -> None:
    """A receiver's buffer that is too small would cut a message, and with it descriptors."""
    wide = RECORD._replace(source_ip="f" * 39, l4_name="n" * 40, why="w" * 300)

    assert len(encode_batch(2**62, [wide] * RECORDS_MAX)) <= BATCH_BYTES_MAX
    assert len(encode_credit(Credit(2**62, 10_000, [2**62] * CLOSED_MAX))) <= CREDIT_BYTES_MAX


def test_records_without_their_descriptors_are_refused() -> None:
    """Pairing the wrong record with a socket would give one phone another's history."""
    with pytest.raises(HandoverError, match="1 records came with 2"):
        decode_batch(encode_batch(1, [RECORD]), 2)


@given(st.binary(max_size=200))
def test_rubbish_ends_in_a_handover_error_and_nothing_else(data: bytes) -> None:
    """The link's task catches HandoverError; anything else would end the process."""
    with suppress(HandoverError):
        first, records = decode_batch(data, 1)
        assert decode_batch(encode_batch(first, records), 1) == (first, records)
    with suppress(HandoverError):
        credit = decode_credit(data)
        assert decode_credit(encode_credit(credit)) == credit


@pytest.mark.parametrize(
    "value",
    [
        {"taken": 1},
        {"taken": -1, "open": 0, "closed": [], "draining": False},
        {"taken": 1, "open": 0, "closed": ["x"], "draining": False},
        [1, 2, 3],
        None,
    ],
)
def test_a_credit_with_wrong_fields_is_refused(value: object) -> None:
    """A worker of another version must not corrupt the counts of this L4."""
    with pytest.raises(HandoverError):
        decode_credit(msgpack.packb(value))
