"""Secrets in what a phone has sent."""

from edge.l7.waf.redaction import uncut, without_secrets


def test_a_fragment_does_not_begin_inside_a_secret() -> None:
    """Its name would be missing, and nothing would tell that it is one."""
    value = b"/a;token=123456789hunter2<script>"

    for begin in range(len(value)):
        fragment = value[uncut(value, begin) :].decode()
        assert "hunter2" not in without_secrets(fragment)


def test_other_fragments_begin_where_they_are_wanted() -> None:
    """Also behind a secret, and in a text without end."""
    value = b"token=hunter2&q=" + b"x" * 10_000

    assert [uncut(value, begin) for begin in (0, 14, 16, 5000)] == [0, 14, 16, 5000]
    assert uncut(value, 10) == 0
