"""What is kept when there is not room for all."""

from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import CacheConfig
from edge.l7.cache.entry import OVERHEAD_BYTES, Entry
from edge.l7.cache.store import Key, Store
from edge.l7.request import Request

ANYBODY = Request("GET", b"/", ())


def key(path: str, host: str = "h") -> Key:
    return host, path, b""


def entry(size: int = 1000, names: tuple[bytes, ...] = (), values: tuple[bytes, ...] = ()) -> Entry:
    return Entry(200, (), bytes(size - OVERHEAD_BYTES) if size > OVERHEAD_BYTES else b"", names, values)


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    """One pass of a crawler must not push out what everybody wants."""
    store = Store(CacheConfig(bytes_max=20_000))
    store.put(key("/popular"), entry(2000))

    for number in range(100):
        store.find(key("/popular"), ANYBODY)
        store.put(key(f"/crawled/{number}"), entry(2000))

    assert store.find(key("/popular"), ANYBODY) is not None
    assert store.bytes <= 20_000
    assert store.evicted == 100 + 1 - 10


def test_a_new_version_replaces_the_old_and_variants_are_bounded() -> None:
    """A service that varies by User-Agent must not fill the shelf."""
    store = Store(CacheConfig(variants_max=3))
    for value in (b"a", b"b", b"a", b"c", b"d", b"e"):
        store.put(key("/"), entry(names=(b"x",), values=(value,)))

    found = [store.find(key("/"), Request("GET", b"/", ((b"x", value),))) for value in (b"a", b"c", b"e")]

    assert len(store) == 3
    assert [one is not None for one in found] == [False, True, True]


def test_an_object_larger_than_everything_is_not_kept() -> None:
    """It would empty the cache and still not fit."""
    store = Store(CacheConfig(bytes_max=5000))
    store.put(key("/small"), entry(2000))

    assert not store.put(key("/large"), entry(9000))
    assert len(store) == 1


def test_purging_takes_a_path_a_start_or_one_host() -> None:
    """What the operator's command means."""
    store = Store(CacheConfig())
    for path in ("/media/1", "/media/2", "/static/x"):
        store.put(key(path), entry())
    store.put(key("/media/1", "other"), entry())

    assert store.purge("h", "/media/1") == 1
    assert store.purge("", "/media/*") == 2
    assert store.purge("h", "/absent") == 0
    assert len(store) == 1
    assert store.bytes == entry().size


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9), st.booleans()), max_size=60))
def test_the_books_always_balance(events: list[tuple[str, int, bool]]) -> None:
    """The bytes counted are the bytes held, and never more than allowed."""
    store = Store(CacheConfig(bytes_max=15_000))
    for path, kilobytes, puts in events:
        if puts:
            store.put(key(path), entry(kilobytes * 1000 + OVERHEAD_BYTES))
        else:
            store.remove(key(path))

        held = [store.find(key(path), ANYBODY) for path in "abcdef"]
        assert store.bytes == sum(one.size for one in held if one is not None)
        assert store.bytes <= 15_000
        assert len(store) == sum(one is not None for one in held)
