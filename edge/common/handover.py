"""What does an L4 say to a worker when it gives a connection away, and what comes back?

The two share a Unix SOCK_SEQPACKET socket, so a message arrives whole or not at
all and needs no framing.

* L4 -> worker, a *batch*: msgpack `[first sequence, [record, ...]]` with one
  descriptor a record in SCM_RIGHTS, in the same order.  Sequences count up by one
  a record over the life of a link.  An empty batch is a probe: the worker owes a
  credit, at once.
* worker -> L4, a *credit*: msgpack map `{"taken", "open", "closed", "draining"}`.

The L4 keeps its own copy of a descriptor until `taken` covers it, so a worker
that dies first costs nobody a connection: the L4 gives it to the next worker.
`open` is the worker's whole truth (connections of any L4), which makes "least
connections" right again after a worker or an L4 was restarted; `closed` gives
back the tickets of the records whose connections ended, from which the L4 frees
what each source may hold.

Until then two processes hold the socket, so a worker that closes it early must
`shutdown()` first: a bare `close()` would send its FIN only when the L4's copy goes.

A worker gathers credits for up to `CREDIT_DELAY_S`: one wake-up of the L4 then
pays for many connections.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import msgpack

from edge.common.errors import EdgeError

# The kernel takes 253 descriptors in one message (SCM_MAX_FD).  A quarter of that
# already makes the message's own cost disappear among the accepts it carries.
RECORDS_MAX = 64
# 64 records with IPv6 addresses and a long sentence each are about 24 KiB.
BATCH_BYTES_MAX = 64 * 1024
# A credit that names this many closed connections is about 45 KiB.
CLOSED_MAX = 5000
CREDIT_BYTES_MAX = 64 * 1024
CREDIT_DELAY_S = 0.04

ListenerName = Literal["https", "http"]


class HandoverError(EdgeError):
    """The other end of a handover link sent what is no batch or credit of ours; that link ends."""

    blame = "peer"
    status_hint = None


class Handover(NamedTuple):
    """One connection's story so far; it travels with the socket and so outlives the L4.

    Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
    """

    conn_id: str
    source_ip: str
    source_port: int
    listener: ListenerName
    accepted_ns: int
    l4_name: str
    l4_pid: int
    policy: str  # the balancing policy's configuration name
    why: str  # one sentence: the choice and among whom
    bucket_level: float  # connections the source may still open at once
    candidates: int
    decided_ns: int
    epoch: int  # under which the L4 was active
    ticket: int = 0  # the L4's own number for this connection, to be given back in `closed`


class Credit(NamedTuple):
    """What a worker owes its L4."""

    taken: int  # the highest sequence whose descriptor the worker holds; 0 before the first
    open: int  # connections the worker holds now, from every L4
    closed: Sequence[int] = ()  # tickets of this link's connections that have ended
    draining: bool = False  # give me no more


def encode_batch(first_sequence: int, records: Sequence[Handover]) -> bytes:
    """One message for up to `RECORDS_MAX` records; send the descriptors beside it."""
    assert len(records) <= RECORDS_MAX, "more records than one message may carry descriptors"
    return cast(bytes, msgpack.packb((first_sequence, records)))


def decode_batch(data: bytes, descriptors: int) -> tuple[int, list[Handover]]:
    """The first sequence and the records.

    Raises `HandoverError` unless there is exactly one record for each of the
    `descriptors` that came along; the caller closes those then.
    """
    try:
        first_sequence, raw = msgpack.unpackb(data)
        records = [Handover(*fields) for fields in raw]
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise HandoverError(f"not a batch: {error!r}") from error
    if len(records) != descriptors:
        raise HandoverError(f"{len(records)} records came with {descriptors} descriptors")
    if type(first_sequence) is not int or not all(map(_is_sound, records)):
        raise HandoverError("a batch has a field of the wrong type")
    return first_sequence, records


def encode_credit(credit: Credit) -> bytes:
    """One message; `closed` holds at most `CLOSED_MAX` tickets, the rest waits for the next."""
    assert len(credit.closed) <= CLOSED_MAX, "split a credit that names more closed connections"
    return cast(bytes, msgpack.packb(credit._asdict()))


def decode_credit(data: bytes) -> Credit:
    """Raises `HandoverError`."""
    try:
        fields = msgpack.unpackb(data)
        credit = Credit(
            int(fields["taken"]), int(fields["open"]), list(fields["closed"]), bool(fields["draining"])
        )
    except (ValueError, TypeError, KeyError, RecursionError, msgpack.UnpackException) as error:
        raise HandoverError(f"not a credit: {error!r}") from error
    if min(credit.taken, credit.open) < 0 or not all(type(number) is int for number in credit.closed):
        raise HandoverError("a credit has a field of the wrong type")
    return credit


def _is_sound(record: Handover) -> bool:
    # The L4 is one of us, so this guards against a mixed-up version, not an attacker.
    return (
        type(record.conn_id) is str
        and type(record.source_ip) is str
        and type(record.source_port) is int
        and record.listener in ("https", "http")
        and type(record.accepted_ns) is int
        and type(record.decided_ns) is int
        and type(record.epoch) is int
        and type(record.ticket) is int
    )
