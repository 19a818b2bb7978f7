"""What was quiet once need not be looked at again."""

from edge.l7.waf.quiet import BYTES_MAX, VALUE_BYTES_MAX, VALUES_MAX, Quiet


def test_only_what_was_not_seen_is_looked_at() -> None:
    """The session cookie comes with every request, and is most of its bytes."""
    quiet = Quiet()
    quiet.learn([b"session", b"/feed"])

    assert quiet.unknown([b"session", b"new", b"/feed"]) == [b"new"]


def test_what_is_asked_for_outlives_a_flood_of_new_values() -> None:
    """A phone that makes up a value per request must not make us forget everybody's paths."""
    quiet = Quiet()
    quiet.learn([b"/feed"])

    for number in range(5 * VALUES_MAX):
        quiet.learn([b"%d" % number])
        assert quiet.unknown([b"/feed"]) == []


def test_memory_is_bounded_in_entries_and_bytes() -> None:
    """What phones choose freely is kept within limits, and what is very long not at all."""
    quiet = Quiet()
    for number in range(3 * VALUES_MAX):
        quiet.learn([b"%0200d" % number])
    quiet.learn([b"x" * (VALUE_BYTES_MAX + 1)])

    held = quiet._young | quiet._old
    assert len(held) <= 2 * VALUES_MAX
    assert sum(map(len, held)) <= 2 * BYTES_MAX
    assert quiet.unknown([b"x" * (VALUE_BYTES_MAX + 1)])
