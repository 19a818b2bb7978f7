"""The same phone, the same endpoint."""

import pytest

from edge.common.config import ClusterConfig
from edge.l7.request import Request
from edge.l7.upstream.affinity import CookieAffinity, affinity_key


def request(cookie: bytes = b"") -> Request:
    made = Request("GET", b"/a", ((b"cookie", cookie), (b"x-tenant", b"t1")), source="198.51.100.7")
    made.path, made.account = "/a", 6
    return made


@pytest.mark.parametrize(
    ("hash_on", "key"),
    [
        ("source", b"198.51.100.7"),
        ("account", b"6"),
        ("path", b"/a"),
        ("cookie:room", b"r7"),
        ("header:X-Tenant", b"t1"),
        ("header:absent", b"198.51.100.7"),
    ],
)
def test_the_key_is_what_the_configuration_names(hash_on: str, key: bytes) -> None:
    """The source stands in where the phone did not send it."""
    config = ClusterConfig(name="c", endpoints=("h:1",), hash_on=hash_on)

    assert affinity_key(config, request(b"room=r7")) == key


def cookie_of(line: bytes) -> bytes:
    return line.partition(b": ")[2].partition(b";")[0]


def test_a_phone_that_brings_its_cookie_is_wanted_where_it_was() -> None:
    """And the cookie says nothing about who that is."""
    affinity = CookieAffinity("chat", b"secret")
    affinity.set_endpoints(["chat-1", "chat-2"])

    line = affinity.reply_line("chat-2")

    assert affinity.wanted(request(cookie_of(line))) == "chat-2"
    assert b"chat-2" not in line
    assert b"HttpOnly" in line


def test_a_cookie_that_fits_nobody_means_a_new_choice() -> None:
    """The endpoint is gone, the key is another, it was made up, or it is another cluster's."""
    affinity = CookieAffinity("chat", b"secret")
    affinity.set_endpoints(["chat-1"])
    gone = cookie_of(affinity.reply_line("chat-9"))
    other_key = cookie_of(CookieAffinity("chat", b"other").reply_line("chat-1"))
    other_cluster = cookie_of(CookieAffinity("dm", b"secret").reply_line("chat-1")).replace(b"_dm", b"_chat")

    for cookie in (gone, other_key, other_cluster, b"edge_at_chat=chat-1", b""):
        assert affinity.wanted(request(cookie)) is None
