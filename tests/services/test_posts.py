"""Posts by arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from services.posts import BEGAN_UNIX, Post, Posts, media_number

POSTS = Posts(2026)
NOW = 1_795_000_000
AUTHORS = st.lists(st.integers(1, 50), unique=True, max_size=6)


def every_post(authors: list[int], since: int, before: tuple[int, int]) -> list[Post]:
    """The slow, obvious version: each author's posts one by one."""
    found = []
    for author in authors:
        post = POSTS.newest(author, before)
        while post is not None and post.taken_at >= since:
            found.append(post)
            post = POSTS.newest(author, (post.taken_at, author))
    return sorted(found, reverse=True)


@given(AUTHORS, st.integers(0, 40), st.integers(0, 50))
def test_a_page_is_the_newest_of_everybody_merged(authors: list[int], count: int, tie: int) -> None:
    """The heap against the plain list."""
    before = (NOW, tie)

    assert POSTS.page(authors, before, count) == every_post(authors, NOW - 125 * 86_400, before)[:count]


@given(AUTHORS.filter(bool))
def test_pages_follow_each_other_without_gap_or_repeat(authors: list[int]) -> None:
    """A page ends where the next begins, also between two posts of the same second."""
    whole = POSTS.page(authors, (NOW, 0), 30)
    pages: list[Post] = []
    before = (NOW, 0)
    while len(pages) < 30:
        page = POSTS.page(authors, before, 7)
        pages += page
        before = (page[-1].taken_at, page[-1].author)

    assert pages[:30] == whole
    assert len(set(pages)) == len(pages)


def test_everybody_began_at_some_time() -> None:
    """Scrolling down ends; a second instance agrees about every post."""
    first = POSTS.page([7], (BEGAN_UNIX + 30 * 86_400, 0), 1000)

    assert first[-1].number == 0
    assert POSTS.newest(7, (first[-1].taken_at, 7)) is None
    assert Posts(2026).page([7], (NOW, 0), 5) == POSTS.page([7], (NOW, 0), 5)
    assert POSTS.page([], (NOW, 0), 5) == []


def test_likes_only_grow() -> None:
    """A heart that is taken back would look like a bug."""
    post = POSTS.page([7], (NOW, 0), 1)[0]
    likes = [POSTS.likes(post, post.taken_at + hours * 3600) for hours in range(0, 100, 5)]

    assert likes == sorted(likes)
    assert likes[0] == 0
    assert POSTS.caption(post) == Posts(2026).caption(post)


@given(st.integers(0, 10**12 - 1), st.integers(1, 10**9 - 1))
def test_a_media_id_leads_back(number: int, author: int) -> None:
    """media gets nothing but the id."""
    assert media_number(Post(0, author, number).media_id) == (number, author)


@given(st.text(max_size=12))
def test_other_text_is_no_media_id(text: str) -> None:
    """It comes out of a URL."""
    found = media_number(text)

    assert found is None or "_" in text
