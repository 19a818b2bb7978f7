"""For how long is an answer good?"""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.address_book import STALE_S_MAX, AddressBook

MUMBAI, SINGAPORE = "127.0.1.1", "127.0.2.1"


def test_an_answer_is_used_until_its_ttl_has_passed() -> None:
    """And not a moment longer, or fail-over by DNS would be slower than it says."""
    book = AddressBook()
    assert book.fresh(0.0) == ()

    book.learn((MUMBAI,), ttl_s=20, now=100.0)

    assert book.fresh(119.9) == (MUMBAI,)
    assert book.fresh(120.0) == ()


def test_an_address_that_failed_is_asked_for_again_at_once() -> None:
    """The rest of the TTL would be an outage."""
    book = AddressBook()
    book.learn((MUMBAI, SINGAPORE), ttl_s=20, now=0.0)

    book.forget(MUMBAI)

    assert book.fresh(1.0) == ()
    book.learn((MUMBAI, SINGAPORE), ttl_s=20, now=1.0)
    assert book.fresh(1.0) == (SINGAPORE, MUMBAI), "what failed is tried last"
    book.worked(MUMBAI)
    assert book.fresh(1.0) == (MUMBAI, SINGAPORE)


def test_without_a_name_server_the_last_answer_is_better_than_none() -> None:
    """RFC 8767: killing DNS must not cost a request."""
    book = AddressBook()
    book.learn((MUMBAI,), ttl_s=20, now=0.0)

    assert book.fresh(500.0) == ()
    assert book.stale(500.0) == (MUMBAI,)
    assert book.stale(STALE_S_MAX) == ()


@given(st.lists(st.sampled_from(["forget", "worked", "learn"])), st.sampled_from([MUMBAI, SINGAPORE]))
def test_no_address_is_ever_lost_or_invented(events: list[str], address: str) -> None:
    """Whatever happens, the book holds exactly what was answered last."""
    book = AddressBook()
    book.learn((MUMBAI, SINGAPORE), ttl_s=20, now=0.0)
    for event in events:
        if event == "learn":
            book.learn((MUMBAI, SINGAPORE), ttl_s=20, now=0.0)
        else:
            getattr(book, event)(address)

    assert sorted(book.stale(0.0)) == [MUMBAI, SINGAPORE]
