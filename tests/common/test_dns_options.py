"""The inner forms of the EDNS options we use."""

import dns.edns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.dns_options import (
    BadOption,
    decode_explanation,
    decode_subnet,
    encode_explanation,
    encode_subnet,
    subnet_of,
)

NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(1, 32)), st.tuples(st.ip_addresses(v=6), st.integers(1, 128))
).map(lambda pair: f"{pair[0]}/{pair[1]}")


@given(NETWORKS)
def test_a_subnet_is_encoded_as_dnspython_does(network: str) -> None:
    """An independent implementation reads and writes the same bytes."""
    ours = subnet_of(network)
    host, _, bits = network.partition("/")
    theirs = dns.edns.ECSOption(host, int(bits))

    assert encode_subnet(ours) == theirs.to_wire()
    assert decode_subnet(encode_subnet(ours)) == ours


@given(st.binary(max_size=24))
def test_any_bytes_are_a_subnet_or_a_bad_option(data: bytes) -> None:
    """Strangers write this field; nothing else may come out of reading it."""
    try:
        subnet = decode_subnet(data)
    except BadOption:
        return
    assert encode_subnet(subnet) == data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\0\1\x18", "too short"),
        (b"\0\3\x18\0abc", "no such family"),
        (b"\0\1\x21\0abcde", "33 bits of IPv4"),
        (b"\0\1\x18\0ab", "too few bytes"),
        (b"\0\1\x18\0abcd", "too many bytes"),
        (b"\0\1\x1c\0\xc0\0\2\1", "a bit beyond the prefix"),
        (b"\0\0\x08\0a", "an address of no family"),
    ],
)
def test_a_subnet_with_stray_bits_is_refused(data: bytes, why: str) -> None:
    """RFC 7871 section 6: it is a mistake or an attack on a cache."""
    with pytest.raises(BadOption):
        decode_subnet(data)


def test_a_subnet_of_zero_bits_asks_not_to_be_located() -> None:
    """RFC 7871 section 7.1.2: `dig +subnet=0`."""
    assert decode_subnet(b"\0\1\0\0").host() is None
    assert decode_subnet(b"\0\0\0\0").host() is None
    assert decode_subnet(b"\0\0\0\0").text() == ""


def test_nonsense_from_the_command_line_is_named() -> None:
    """`edge dig --subnet jaipur` should say what is wrong with it."""
    with pytest.raises(BadOption, match="jaipur"):
        subnet_of("jaipur")


def test_an_explanation_survives_the_wire() -> None:
    """Both ways, against dnspython, and with the NUL that some servers add."""
    data = encode_explanation("from São Paulo")

    assert dns.edns.EDEOption(0, "from São Paulo").to_wire() == data
    assert decode_explanation(data + b"\0") == "from São Paulo"
    assert decode_explanation(b"\0") == ""
