"""A service receives what h11 read in the phone's bytes, and nothing else."""

import os

import pytest

from tests.kit.differential import Differential, Differs, read, reduced
from tests.kit.effort import examples

INPUTS = examples(20_000)
# A new seed each time would find more and fail for nobody in particular; a million were tried by hand.
SEED = int(os.environ.get("SEED", "2026"))


def test_no_broken_request_reaches_a_service_as_another_one() -> None:
    """Memory, judge and h11 agree on heads, bodies, and where the next request begins."""
    found = Differential(SEED).run(INPUTS)

    assert found.counts["good heads"] > INPUTS / 5
    assert found.counts["bodies complete"] > INPUTS / 20
    assert found.counts["bodies refused"] > INPUTS / 20


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ;a=b\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: x\r\n\r\n",
    ],
)
def test_what_it_once_found_stays_found(data: bytes) -> None:
    """We took these, and h11 did not."""
    Differential(SEED).check(data)


def test_a_difference_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that cannot fail says nothing: let the framing be a byte off."""
    monkeypatch.setattr("tests.kit.differential.LAST_CHUNK", b"0\r\nx\r\n")

    with pytest.raises(Differs):
        Differential(SEED).run(2000)


def test_h11_reads_one_request_and_leaves_the_rest() -> None:
    """The oracle itself."""
    reading = read(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /")

    assert (reading.content, reading.complete, reading.rest) == (b"ab", True, b"GET /")
    assert reduced(b"http://h?x") == b"/?x"
    assert reduced(b"/a://b") == b"/a://b"
