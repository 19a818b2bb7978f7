"""The small rules one by one; the table of malformed requests exercises them together."""

import pytest

from edge.common.config import L7Config
from edge.l7.http1 import rules
from edge.l7.http1.rules import Refused


def test_the_limits_are_those_of_the_configuration() -> None:
    """A limit nobody can change is a limit somebody will patch."""
    limits = rules.limits_of(L7Config(head_bytes_max=1, target_bytes_max=2, header_count_max=3))

    assert (limits.head_bytes_max, limits.target_bytes_max, limits.header_count_max) == (1, 2, 3)


@pytest.mark.parametrize(
    "name", [b"x-forwarded-proto", b"edge-account", b"forwarded", b"x-b3-traceid", b"host"]
)
def test_what_the_edge_vouches_for_cannot_be_forged(name: bytes) -> None:
    """A service believes these fields; a phone must not be able to write them."""
    assert rules.is_forged(name)


@pytest.mark.parametrize(
    "name", [b"transfer_encoding", b"x_forwarded_for", b"edge_account", b"content-length_"[:-1] + b"_"]
)
def test_look_alikes_are_refused_only_where_they_imitate(name: bytes) -> None:
    """CGI and WSGI turn hyphens into underscores, so these would arrive as the real ones."""
    if name == b"content-length_":
        rules.check_look_alike(name)
        return
    with pytest.raises(Refused):
        rules.check_look_alike(name)


def test_tokens_are_split_over_fields_and_commas() -> None:
    """RFC 9110 section 5.6.1: a list may be spread and may hold empty members."""
    fields = ((b"connection", b"Close, , x"), (b"a", b"b"), (b"connection", b"\tY"))

    assert rules.tokens(fields, b"connection") == [b"close", b"x", b"y"]


def test_a_final_dot_names_the_same_host() -> None:
    """Otherwise a route for a host could be walked around with one byte."""
    assert rules.check_host(b"I.Edge.Test.:443") == "i.edge.test"
