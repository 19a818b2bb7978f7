"""What a request says its body is."""

import pytest

from edge.l7.waf.body_type import SNIFF_BYTES, boundary_of, may_be_media, parse_type, problem_with, says_media


def _said(kind: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"host", b"i.edge.test"), (b"content-type", kind))


@pytest.mark.parametrize(
    "kind",
    [
        b"application/x-www-form-urlencoded",
        b"application/x-www-form-urlencoded; charset=UTF-8",
        b"application/json;charset=utf-8;",
        b'text/xml; charset="iso-8859-15"',
        b"text/plain; format=flowed; charset=windows-1252",
        b"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        b"multipart/form-data; boundary=---------------------------974767299852498929531610575",
        b'multipart/form-data; boundary="a1b2c3d4-1111-2222-3333-444455556666"',
        b"multipart/form-data; boundary=----=_Part_0_123.456",
        b'multipart/related; type="application/xop+xml"; start="<root@x>"; boundary=a; start-info="text/xml"',
        b"application/vnd.api+json",
        b"application/grpc-web+proto",
        b"",
    ],
)
def test_what_clients_send_is_understood(kind: bytes) -> None:
    """Browsers, libraries and phones."""
    assert problem_with(_said(kind)) == ""


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json, text/plain",
        b"application/x-www-form-urlencoded charset=utf-8",
        b"json",
        b"application/json; charset=utf-8; charset=utf-16",
        b"application/x-www-form-urlencoded; charset=unicode_escape",  # Django takes any codec of Python's
        b"application/x-www-form-urlencoded; charset=u16",
        b"application/x-www-form-urlencoded; charset=utf_7",
        b"application/x-www-form-urlencoded; charset=037",
        b"application/x-www-form-urlencoded; charset=hz",
        b"application/x-www-form-urlencoded; charset=gbk",  # 0x81 0x5c is one letter, and no backslash
        b"application/x-www-form-urlencoded; charset=big5",
        b"application/x-www-form-urlencoded; charset=",
        b"application/x-www-form-urlencoded; charset*=utf-16''x",
        b"application/x-www-form-urlencoded; charset='utf-16'",
        b"text/plain;" + b" " * 600,
    ],
)
def test_what_two_readers_could_understand_in_two_ways_is_a_problem(kind: bytes) -> None:
    """Or what makes ASCII of other bytes than those that the rules see."""
    assert problem_with(_said(kind))


@pytest.mark.parametrize("coding", [b"gzip", b"snappy", b"x-own", b"identity, gzip"])
def test_a_body_in_any_encoding_is_a_problem(coding: bytes) -> None:
    """Known or not: here it is not undone."""
    assert problem_with(((b"content-encoding", coding),))
    assert not problem_with(((b"content-encoding", b"Identity"),))


def test_two_types_are_a_problem() -> None:
    """Some count the first, some the last."""
    assert problem_with(_said(b"text/plain") + _said(b"text/plain"))


def test_parameters_are_named_in_lower_case() -> None:
    """Quotes are none of their values."""
    assert parse_type(b'Text/Plain; Charset="UTF-8"; a=b') == (
        b"text/plain",
        {b"charset": b"UTF-8", b"a": b"b"},
    )
    assert boundary_of(b'multipart/form-data; Boundary="a:b"') == b"a:b"


@pytest.mark.parametrize(
    "kind", [b"image/png", b"Video/mp4; codecs=avc1", b"application/octet-stream", b"font/woff2"]
)
def test_pictures_and_the_like_say_so(kind: bytes) -> None:
    """They need not be held."""
    assert says_media(_said(kind))


@pytest.mark.parametrize(
    "kind",
    [
        b"image/svg+xml", b"image/x+json", b"application/zipjson", b"application/pdf+json",
        b"application/octet-streams",
        b"application/octet-stream; x=application/x-www-form-urlencoded", b"image/png, application/json",
        b"image/png; multipart/form-data; boundary=X", b"text/plain", b"",
    ],
)  # fmt: skip
def test_what_some_program_may_take_for_a_form_does_not(kind: bytes) -> None:
    """Formidable looks for `multipart` and `urlencoded` anywhere, ASP.NET for `+json`."""
    assert not says_media(_said(kind))
    assert not says_media(_said(b"image/png") + _said(kind))


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"RIFF\x24\x10\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypmp42", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    ],
)  # fmt: skip
def test_media_is_known_by_its_beginning(beginning: bytes) -> None:
    """All of them have bytes that text has not, or their name."""
    assert may_be_media(beginning)


@pytest.mark.parametrize(
    "beginning",
    [
        b'{"q": 1}', b"  [1]", b"a=1&q=%27", b"<?xml version='1.0'?>", "пост=1".encode(), b"",
        '{"q": 1}'.encode("utf-16"), ' {"q": 1}'.encode("utf-16-be"), '[{"q": 1}]'.encode("utf-32"),
        b'{"q": "\0"}',
        b" " * SNIFF_BYTES + b"\0",
    ],
)  # fmt: skip
def test_text_is_no_media_whatever_it_says(beginning: bytes) -> None:
    """Most programs in PHP read JSON without asking for its type, and Python's reader finds UTF-16 out."""
    assert not may_be_media(beginning)
