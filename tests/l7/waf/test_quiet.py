"""What was quiet once need not be looked at again."""

import pytest

from edge.l7.waf.inspector import Inspector
from edge.l7.waf.matcher import Matcher, Watch
from edge.l7.waf.quiet import BYTES_MAX, OBJECT_BYTES, VALUE_BYTES_MAX, Quiet
from tests.l7.waf.samples import BROWSER, embedded, get


def test_only_what_was_not_seen_is_looked_at() -> None:
    """The session cookie comes with every request, and is most of its bytes."""
    quiet = Quiet()
    quiet.learn([b"session", b"/feed"])

    assert quiet.unknown([b"session", b"new", b"/feed"]) == [b"new"]


def test_what_is_asked_for_outlives_a_flood_of_new_values() -> None:
    """A phone that makes up a value per request must not make us forget everybody's paths."""
    quiet = Quiet()
    quiet.learn([b"/feed"])

    for number in range(5 * BYTES_MAX // OBJECT_BYTES):
        quiet.learn([b"%d" % number])
        assert quiet.unknown([b"/feed"]) == []


def test_memory_is_bounded_in_bytes() -> None:
    """What phones choose freely is kept within limits, and what is very long not at all."""
    quiet = Quiet()
    for number in range(2 * BYTES_MAX // OBJECT_BYTES):
        quiet.learn([b"%0200d" % number])
    quiet.learn([b"x" * (VALUE_BYTES_MAX + 1)])

    held = quiet._young | quiet._old
    assert sum(len(value) + OBJECT_BYTES for value in held) <= 2 * BYTES_MAX
    assert quiet.unknown([b"x" * (VALUE_BYTES_MAX + 1)])


def test_a_flood_of_values_in_one_request_is_not_remembered() -> None:
    """A body of 128 kB may have forty thousand of them, six megabytes of objects."""
    quiet = Quiet()
    quiet.learn([b"/feed"])

    quiet.learn([b"%d" % number for number in range(40_000)])

    assert quiet.unknown([b"/feed", b"1"]) == [b"1"]


def test_the_firewall_searches_only_what_is_new_in_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in bytes, so that no noise can fail it and no slow way can slip in."""
    inspector = Inspector(embedded())
    session = b"edge_session=" + b"eyJhbGciOi" * 28
    searched: list[int] = []
    match = Matcher.match

    def counting(self: Matcher, text: bytes, watch: Watch | None = None) -> list[int]:
        searched.append(len(text))
        return match(self, text, watch)

    monkeypatch.setattr(Matcher, "match", counting)

    def ask(number: int) -> int:
        searched.clear()
        headers = (*BROWSER[:-1], (b"cookie", session + b"; visit=%d" % number))
        inspector.inspect_head(get(b"/feed?page=%d" % number, headers), 0.0)
        return sum(searched)

    first, later = ask(1_000_001), ask(1_000_002)

    assert first > len(session)
    assert later < 200
