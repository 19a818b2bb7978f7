"""Threads of two."""

from hypothesis import given
from hypothesis import strategies as st

from services.dm.threads import (
    Item,
    greeting,
    is_thread,
    members_of,
    other_in,
    shown,
    shown_thread,
    thread_of,
)

ACCOUNT = st.integers(1, 10_000)


@given(ACCOUNT, ACCOUNT)
def test_two_people_share_one_thread_whoever_names_it(one: int, other: int) -> None:
    """Both instances and both phones find it without asking."""
    thread = thread_of(one, other)

    assert thread == thread_of(other, one)
    assert members_of(thread) == (min(one, other), max(one, other))
    assert is_thread(thread, 10_000) == (one != other)
    if one != other:
        assert other_in(thread, one) == other


@given(st.integers(-5, 10**18))
def test_a_made_up_number_is_a_thread_only_of_people_who_exist(number: int) -> None:
    """It comes out of a URL."""
    if is_thread(number, 100):
        low, high = members_of(number)
        assert 1 <= low < high <= 100
        assert thread_of(low, high) == number


def test_the_greeting_is_the_same_from_both_ends() -> None:
    """Else two phones would show two conversations."""
    hello = greeting(2026, thread_of(1, 2))

    assert hello == greeting(2026, thread_of(1, 2))
    assert hello.sender in (1, 2)
    assert hello.seq == 0


def test_a_message_knows_whose_it_is() -> None:
    """Left or right on the screen."""
    item = Item(7, thread_of(1, 2), 2, "hi", 5, "c1")

    assert shown(item, 2)["is_sent_by_viewer"] is True
    assert shown(item, 1)["is_sent_by_viewer"] is False
    assert shown(item, 1)["client_context"] == "c1"
    thread = shown_thread(item.thread, 1, [item], "7")
    assert (thread["thread_title"], thread["has_older"]) == ("grace", True)
