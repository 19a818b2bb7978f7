"""The shelf of ready pictures."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.media.shelf import Shelf


def test_the_one_idle_for_longest_makes_room() -> None:
    """Asking for a picture keeps it."""
    shelf = Shelf(10)
    shelf.put("a", b"12345")
    shelf.put("b", b"12345")
    assert shelf.get("a") == b"12345"

    shelf.put("c", b"12345")

    assert shelf.get("a") is not None
    assert shelf.get("b") is None


def test_what_is_larger_than_the_shelf_is_not_kept() -> None:
    """It would push everything else out and then fall off itself."""
    shelf = Shelf(10)
    shelf.put("a", b"12345")

    shelf.put("big", b"x" * 11)

    assert shelf.get("big") is None
    assert shelf.get("a") is not None


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=12)), max_size=40))
def test_the_bound_holds_and_the_last_one_put_is_there(puts: list[tuple[int, bytes]]) -> None:
    """Also when a picture is replaced by one of another size."""
    shelf = Shelf(20)
    for key, data in puts:
        shelf.put(key, data)
        kept = {other: shelf.get(other) for other in range(6)}
        assert sum(len(one) for one in kept.values() if one) <= 20
        assert kept[key] == data
