"""How does the story of a relayed connection travel to the worker?

In the PROXY header that goes before its first byte: who the phone is stands in the
header itself, the connection's id is its UNIQUE_ID, and what the L4 decided, and why,
in TLVs of the range that the specification leaves to applications (section 2.2.8).
All of them are text, so that tcpdump can read them too.

Clouds use that range as well (Google 0xE0, Amazon 0xEA, Azure 0xEE).  So ours are
believed only where all are there and make sense; from any other proxy we take who the
phone is, and know no more.

Times are CLOCK_MONOTONIC, which is one clock on one machine and means nothing on
another: the boot id that stands beside them says whose clock it was.
"""

from math import isfinite
from typing import NamedTuple

from edge.common.handover import Handover, ListenerName
from edge.common.proxy_protocol import TLV_UNIQUE_ID, UNIQUE_ID_BYTES_MAX, Endpoint, ProxyHeader, encode_v2

TLV_L4_NAME, TLV_POLICY, TLV_CHOICE, TLV_WHY, TLV_LISTENER = 0xE0, 0xE1, 0xE2, 0xE3, 0xE4
TLV_EPOCH, TLV_BUCKET_LEVEL, TLV_CANDIDATES, TLV_L4_PID, TLV_CLOCK = 0xE5, 0xE6, 0xE7, 0xE8, 0xE9
TLV_RTT_US = 0xEA
# A name, a number, or one sentence about a choice; more is not ours.
VALUE_BYTES_MAX = 400
_LISTENERS: dict[str, ListenerName] = {"https": "https", "http": "http"}


class Relayed(NamedTuple):
    """What the worker knows of a connection that a proxy sent to it."""

    record: Handover
    rtt_us: int  # between phone and L4; 0 if nobody said


def encode_record(record: Handover, vip: Endpoint, worker: str, boot_id: str, rtt_us: int) -> bytes:
    """The header for a connection that arrived at `vip` and goes to `worker`."""
    texts = (
        (TLV_L4_NAME, record.l4_name),
        (TLV_POLICY, record.policy),
        (TLV_CHOICE, worker),
        (TLV_WHY, record.why),
        (TLV_LISTENER, record.listener),
        (TLV_EPOCH, f"{record.epoch}"),
        (TLV_BUCKET_LEVEL, f"{record.bucket_level:g}"),
        (TLV_CANDIDATES, f"{record.candidates}"),
        (TLV_L4_PID, f"{record.l4_pid}"),
        (TLV_CLOCK, f"{boot_id} {record.accepted_ns} {record.decided_ns}"),
        (TLV_RTT_US, f"{rtt_us}"),
    )
    tlvs = [(TLV_UNIQUE_ID, record.conn_id.encode()[:UNIQUE_ID_BYTES_MAX])]
    tlvs += [(kind, text.encode()[:VALUE_BYTES_MAX]) for kind, text in texts]
    return encode_v2(Endpoint(record.source_ip, record.source_port), vip, tlvs)


def decode_record(
    header: ProxyHeader, peer: Endpoint, http_port: int, boot_id: str, received_ns: int
) -> Relayed:
    """What `header`, sent by the proxy at `peer`, says of the connection that it began.

    `http_port`: the port by which a phone asks for plain HTTP, for proxies that do not
    say.  What is not told is said to have happened as the connection was received.
    """
    source = header.source or peer  # section 2.1: UNKNOWN is served as if the proxy were the client
    plain = header.destination is not None and header.destination.port == http_port
    unknown = Handover(
        conn_id=_text(header, TLV_UNIQUE_ID) or f"p-{received_ns:x}",
        source_ip=source.address,
        source_port=source.port,
        listener="http" if plain else "https",
        accepted_ns=received_ns,
        l4_name=peer.address,
        l4_pid=0,
        policy="unknown",
        why=f"a proxy at {peer.address} sent it here",
        bucket_level=0.0,
        candidates=0,
        decided_ns=received_ns,
        epoch=0,
    )
    try:
        clock, accepted, decided = _text(header, TLV_CLOCK).split(" ")
        same = clock == boot_id
        level = float(_text(header, TLV_BUCKET_LEVEL))
        if not isfinite(level) or not all(_text(header, kind) for kind in (TLV_L4_NAME, TLV_POLICY)):
            return Relayed(unknown, 0)
        record = unknown._replace(
            listener=_LISTENERS[_text(header, TLV_LISTENER)],
            l4_name=_text(header, TLV_L4_NAME),
            l4_pid=_number(_text(header, TLV_L4_PID)),
            policy=_text(header, TLV_POLICY),
            why=_text(header, TLV_WHY),
            bucket_level=level,
            candidates=_number(_text(header, TLV_CANDIDATES)),
            epoch=_number(_text(header, TLV_EPOCH)),
            # Never later than now: a span must not end before it began.
            accepted_ns=min(_number(accepted), received_ns) if same else received_ns,
            decided_ns=min(_number(decided), received_ns) if same else received_ns,
        )
        return Relayed(record, _number(_text(header, TLV_RTT_US)))
    except (KeyError, ValueError):
        return Relayed(unknown, 0)  # another proxy's TLVs, or none


def _text(header: ProxyHeader, kind: int) -> str:
    """The value as printable text, empty if it is absent or cannot be shown."""
    value = header.tlv(kind)
    if value is None or len(value) > VALUE_BYTES_MAX:
        return ""
    text = value.decode("utf-8", "replace")
    return text if text.isprintable() else ""


def _number(text: str) -> int:
    # int() would take blanks, signs and underscores; 20 digits hold every 64-bit number.
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise ValueError(f"{text!r} is no number")
    return int(text)
