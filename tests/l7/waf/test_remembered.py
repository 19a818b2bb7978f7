"""What phones send is remembered within so many bytes, and the bytes are honest."""

import tracemalloc
from collections import OrderedDict

from edge.l7.waf.remembered import ENTRY_BYTES, Remembered, headers_bytes
from edge.l7.waf.request import Headers


def remembered(bytes_max: int = 64 * 1000) -> Remembered[bytes, bytes]:
    return Remembered(bytes_max, lambda key, value: len(key) + len(value))


def test_the_first_is_the_first_to_go() -> None:
    """Whoever wants the last used to stay moves it to the end."""
    known = remembered()
    for number in range(1000):
        known.remember(b"%d" % number, b"x" * 100)
        known.move_to_end(b"0")

    assert b"0" in known
    assert b"1" not in known
    assert b"999" in known
    assert known.bytes == sum(len(key) + 100 + ENTRY_BYTES for key in known) <= known.bytes_max


def test_what_would_push_out_much_of_the_rest_is_not_kept() -> None:
    """One request must not empty the memory of others."""
    known = remembered()
    known.remember(b"a", b"small")

    known.remember(b"b", b"x" * 2000)

    assert list(known) == [b"a"]


def test_an_entry_is_counted_once() -> None:
    """Two threads may find out the same thing."""
    known = remembered()
    known.remember(b"a", b"one")
    before = known.bytes

    known.remember(b"a", b"two")

    assert known.bytes == before


def test_forgotten_is_forgotten() -> None:
    """Then there is room again."""
    known = remembered()
    known.remember(b"a", b"one")
    known.forget()

    assert (len(known), known.bytes) == (0, 0)


def test_the_weight_of_header_lines_is_what_python_takes() -> None:
    """A short line is forty bytes of text and two hundred of objects; counting the text alone let a memory of
    16 MiB grow to 50."""

    def block(number: int) -> Headers:
        return tuple((b"name-%d-%d" % (line, number), b"value %d %d" % (line, number)) for line in range(12))

    tracemalloc.start()
    kept: OrderedDict[int, Headers] = OrderedDict()
    counted = 0
    for number in range(2000):
        kept[number] = block(number)
        counted += ENTRY_BYTES + headers_bytes(kept[number])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.75 * counted < taken < 1.05 * counted
