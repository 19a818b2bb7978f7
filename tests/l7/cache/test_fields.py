"""What is kept, and what a 304 changes."""

from edge.l7.cache.fields import grouped, joined, kept, updated


def test_fields_by_name_keep_their_order() -> None:
    """Several lines are one list."""
    by_name = grouped(((b"Vary", b"a"), (b"etag", b'"1"'), (b"vary", b"b")))

    assert by_name == {b"vary": [b"a", b"b"], b"etag": [b'"1"']}
    assert joined(by_name, b"vary") == b"a, b"
    assert joined(by_name, b"absent") == b""


def test_what_belongs_to_one_connection_is_not_kept() -> None:
    """Neither are fields that Connection lists, or that the response hides."""
    fields = (
        (b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"Age", b"5"),
        (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"3"),
        (b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a=b"),
    )  # fmt: skip

    assert kept(fields, frozenset({b"set-cookie"})) == ((b"content-type", b"text/plain"),)


def test_a_304_replaces_what_it_names_except_what_describes_the_bytes() -> None:
    """RFC 9111 section 3.2."""
    stored = ((b"a", b"1"), (b"b", b"1"), (b"content-encoding", b"gzip"))
    new = ((b"A", b"2"), (b"A", b"3"), (b"content-encoding", b"br"), (b"content-length", b"0"), (b"c", b"1"))

    assert updated(stored, new) == (
        (b"b", b"1"),
        (b"content-encoding", b"gzip"),
        (b"a", b"2"),
        (b"a", b"3"),
        (b"c", b"1"),
    )
