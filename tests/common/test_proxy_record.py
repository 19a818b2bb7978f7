"""The story of a relayed connection, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.handover import Handover
from edge.common.proxy_protocol import TLV_UNIQUE_ID, Endpoint, ProxyHeader, encode_v2, parse
from edge.common.proxy_record import TLV_CLOCK, TLV_L4_NAME, TLV_WHY, decode_record, encode_record

PHONE, VIP, L4 = Endpoint("203.0.113.9", 40112), Endpoint("127.0.1.1", 8443), Endpoint("127.0.0.1", 50000)
RECORD = Handover(
    conn_id="c-7f-1",
    source_ip=PHONE.address,
    source_port=PHONE.port,
    listener="https",
    accepted_ns=1_000,
    l4_name="l4-mumbai-a",
    l4_pid=4711,
    policy="weighted",
    why="its turn by weight 1 of 2, among 2",
    bucket_level=49.5,
    candidates=2,
    decided_ns=1_500,
    epoch=3,
)


def read(data: bytes) -> ProxyHeader:
    found = parse(data)
    assert found is not None
    assert found[1] == len(data)
    return found[0]


def decoded(header: ProxyHeader, boot_id: str = "boot-1", now: int = 9_000) -> Handover:
    return decode_record(header, L4, 8000, boot_id, now).record


def test_what_l4_decided_arrives_at_the_worker() -> None:
    """`edge trace` shows the same record as after a handoff, the L4's private ticket aside."""
    told = decode_record(read(encode_record(RECORD, VIP, "l7-1", "boot-1", 730)), L4, 8000, "boot-1", 9_000)

    assert told.record == RECORD
    assert told.rtt_us == 730


def test_another_machines_clock_is_not_believed() -> None:
    """CLOCK_MONOTONIC means nothing on another machine: a span would begin before the flood."""
    header = read(encode_record(RECORD, VIP, "l7-1", "boot-2", 0))

    elsewhere = decoded(header)

    assert (elsewhere.accepted_ns, elsewhere.decided_ns) == (9_000, 9_000)
    assert elsewhere.why == RECORD.why


def test_a_foreign_proxy_says_who_the_phone_is_and_no_more() -> None:
    """HAProxy, a cloud's load balancer: the port tells plain HTTP, the id is theirs if it is text."""
    named = decoded(read(encode_v2(PHONE, Endpoint("127.0.1.1", 8000), [(TLV_UNIQUE_ID, b"lb-77")])))
    binary = decoded(read(encode_v2(PHONE, VIP, [(TLV_UNIQUE_ID, b"\x00\xff")])))

    assert (named.source_ip, named.source_port, named.listener) == ("203.0.113.9", 40112, "http")
    assert (named.conn_id, named.l4_name, named.epoch) == ("lb-77", "127.0.0.1", 0)
    assert binary.listener == "https"
    assert binary.conn_id.startswith("p-")


def test_without_addresses_the_proxy_itself_is_the_phone() -> None:
    """Section 2.1 on UNKNOWN."""
    assert decoded(ProxyHeader(1, False, None, None)).source_ip == L4.address


@pytest.mark.parametrize(
    "tlv",
    [(TLV_L4_NAME, b"psc-1\x00\x01"), (TLV_CLOCK, b"boot-1 12"), (TLV_WHY, b"x" * 5000)],
    ids=["a cloud's", "half a clock", "a novel"],
)
def test_tlvs_that_are_not_ours_are_left_alone(tlv: tuple[int, bytes]) -> None:
    """Google uses 0xE0 too; half a story is none."""
    told = decoded(read(encode_v2(PHONE, VIP, [tlv])))

    assert told.policy == "unknown"
    assert told.source_ip == PHONE.address


@given(tlvs=st.lists(st.tuples(st.integers(0xE0, 0xEA), st.binary(max_size=30)), max_size=12))
def test_whatever_stands_in_the_tlvs_the_phone_is_served(tlvs: list[tuple[int, bytes]]) -> None:
    """A trusted proxy of another make must not be able to break a worker by accident."""
    told = decoded(read(encode_v2(PHONE, VIP, tlvs)))

    assert (told.source_ip, told.source_port) == PHONE
    assert told.accepted_ns <= 9_000


@given(why=st.text(max_size=2000), level=st.floats(0, 1e9))
def test_a_long_story_is_cut_and_not_refused(why: str, level: float) -> None:
    """Sentences are ours, but names of workers and policies may grow."""
    record = RECORD._replace(why=why, bucket_level=round(level, 1))

    told = decoded(read(encode_record(record, VIP, "l7-1", "boot-1", 0)))

    assert told.conn_id == RECORD.conn_id
    assert told.epoch == RECORD.epoch
