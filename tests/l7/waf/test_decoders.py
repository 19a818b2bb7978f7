"""Each decoder, on the corners that attacks use."""

from collections.abc import Callable

import pytest

from edge.l7.waf.decoders import (
    base64_decode,
    base64_decode_ext,
    browser_entity_decode,
    css_decode,
    escape_seq_decode,
    half_width,
    hex_decode,
    html_entity_decode,
    js_decode,
    sql_hex_decode,
    url_decode,
    url_decode_uni,
    utf8_to_unicode,
)

CASES = [
    (url_decode_uni, b"%41%u0042%uff43+d", b"ABc d"),
    (url_decode_uni, b"100%&%zz%4", b"100%&%zz%4"),
    (url_decode, b"%u0041", b"%u0041"),
    (html_entity_decode, b"&#x3c;&#60&lt;&nbsp;&unknown;", b"<<<\xa0&unknown;"),
    (html_entity_decode, b"&#0000000000000060;", b"<"),
    (browser_entity_decode, b"javascript&colon;a&Tab;", b"javascript:a\t"),
    (js_decode, rb"\u003c\x3c\74\q\n", b"<<<q\n"),
    (js_decode, rb"\400", b" 0"),
    (css_decode, rb"\3c script\00ff1c", b"<script<"),
    (escape_seq_decode, rb"\x41\101\n\q", b"AA\n\\q"),
    (utf8_to_unicode, "é＜".encode(), b"%u00e9%uff1c"),
    (half_width, "＜ｓｃｒｉｐｔ＞ é Ч".encode(), "<script> é Ч".encode()),
    (utf8_to_unicode, b"\xff\xfe", b"\xff\xfe"),
    (base64_decode, b"PHNjcmlwdD4", b"<script>"),
    (base64_decode, b"PHNj!cmlw", b"<sc"),
    (base64_decode_ext, b"P.HN.jcmlwdD4=", b"<script>"),
    (sql_hex_decode, b"0x414243x", b"ABCx"),
    (hex_decode, b"4142zz", b"AB"),
]


@pytest.mark.parametrize(("transform", "text", "expected"), CASES)
def test_a_decoder_undoes_its_encoding_and_leaves_the_rest(
    transform: Callable[[bytes], bytes], text: bytes, expected: bytes
) -> None:
    """Rules are written against exactly these outcomes."""
    assert transform(text) == expected
