"""Paging through a feed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.http_messages import Refusal
from services.feed.cursor import PAGE, WINDOW, Cursor, first, parse
from services.posts import Post, Posts

NOW = 1_795_000_000
POSTS = Posts(2026)


def read_on(authors: list[int], pages: int) -> tuple[list[Post], bool]:
    """Turn pages as the feed does, with a ranking that turns each window around."""
    seen: list[Post] = []
    place: Cursor | None = first(NOW)
    for _ in range(pages):
        if place is None:
            return seen, True
        window = POSTS.page(authors, (place.taken_before, place.author_before), WINDOW)
        page = window[::-1][place.offset : place.offset + PAGE]
        seen += page
        following = place.after(len(page), [(post.taken_at, post.author) for post in window])
        place = None if following is None else parse(following.text())
    return seen, place is None


@given(st.lists(st.integers(1, 30), unique=True, min_size=1, max_size=8))
def test_turning_pages_shows_every_post_once(authors: list[int]) -> None:
    """Whatever the model does inside a window, nothing is lost or repeated between them."""
    seen, _ = read_on(authors, 9)

    assert len(seen) == 9 * PAGE
    assert sorted(seen, reverse=True) == POSTS.page(authors, (NOW, 0), len(seen))


def test_the_feed_ends_with_the_first_post_ever() -> None:
    """Scrolling for ever stops somewhere."""
    seen, ended = read_on([7], 1000)

    assert ended
    assert seen[-1].number < WINDOW
    assert {post.number for post in seen} == set(range(len(seen)))


def test_an_empty_feed_has_no_next_page() -> None:
    """An account that follows nobody."""
    assert first(NOW).after(0, []) is None


def test_only_the_first_page_is_the_top() -> None:
    """Stories stand there and nowhere else."""
    top = first(NOW)

    assert top.is_top()
    assert not Cursor(NOW, NOW, 0, PAGE).is_top()
    assert not Cursor(NOW, NOW - 5, 3, 0).is_top()


@pytest.mark.parametrize(
    "text", ["1", "1.2.3", "1.2.3.4.5", "a.b.c.d", "5.9.0.0", "9.5.1.36", "9.-5.1.0", "9.5.1.", "9" * 40]
)
def test_a_cursor_we_never_gave_is_refused(text: str) -> None:
    """It comes from outside; an offset behind the window would be a hole in the feed."""
    with pytest.raises(Refusal):
        parse(text)
