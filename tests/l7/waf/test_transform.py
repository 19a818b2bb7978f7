"""Each decoder, on the corners that attacks use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.waf.transform import TRANSFORMS, pipeline_of

CASES = [
    ("urlDecodeUni", b"%41%u0042%uff43+d", b"ABc d"),
    ("urlDecodeUni", b"100%&%zz%4", b"100%&%zz%4"),
    ("urlDecode", b"%u0041", b"%u0041"),
    ("htmlEntityDecode", b"&#x3c;&#60&lt;&nbsp;&unknown;", b"<<<\xa0&unknown;"),
    ("htmlEntityDecode", b"&#0000000000000060;", b"<"),
    ("browserEntityDecode", b"javascript&colon;a&Tab;", b"javascript:a\t"),
    ("jsDecode", rb"\u003c\x3c\74\q\n", b"<<<q\n"),
    ("jsDecode", rb"\400", b" 0"),
    ("cssDecode", rb"\3c script\00ff1c", b"<script<"),
    ("escapeSeqDecode", rb"\x41\101\n\q", b"AA\n\\q"),
    ("utf8toUnicode", "é＜".encode(), b"%u00e9%uff1c"),
    ("halfWidth", "＜ｓｃｒｉｐｔ＞ é Ч".encode(), "<script> é Ч".encode()),
    ("utf8toUnicode", b"\xff\xfe", b"\xff\xfe"),
    ("replaceComments", b"un/**/ion/* open", b"un ion "),
    ("removeCommentsChar", b"a/*b*/c--d#", b"abcd"),
    ("removeComments", b"a/*b*/c--d", b"ac"),
    ("compressWhitespace", b"a \t\n\xa0b", b"a b"),
    ("removeWhitespace", b"a \t\n\xa0b", b"ab"),
    ("normalizePath", b"/a//b/./../c", b"/a/c"),
    ("normalizePath", b"../../etc/passwd", b"../../etc/passwd"),
    ("normalizePath", b"/../../etc", b"/etc"),
    ("normalizePathWin", b"a\\..\\b", b"b"),
    ("cmdLine", b'C^m"d /c;  DIR', b"cmd/c dir"),
    ("shellWords", b"c\\a't' ${IFS}/e$@tc\nid", b"cat /etc;id"),
    ("base64Decode", b"PHNjcmlwdD4", b"<script>"),
    ("base64Decode", b"PHNj!cmlw", b"<sc"),
    ("base64DecodeExt", b"P.HN.jcmlwdD4=", b"<script>"),
    ("sqlHexDecode", b"0x414243x", b"ABCx"),
    ("hexDecode", b"4142zz", b"AB"),
    ("length", b"abc", b"3"),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_a_decoder_undoes_its_encoding_and_leaves_the_rest(name: str, text: bytes, expected: bytes) -> None:
    """Rules are written against exactly these outcomes."""
    assert TRANSFORMS[name.lower()].apply(text) == expected


@given(st.sampled_from(sorted(TRANSFORMS)), st.text(alphabet="%u&#x;\\/*.- 0fFacA+$\"'<", max_size=60))
def test_no_text_makes_a_transformation_fail(name: str, text: str) -> None:
    """What cannot be decoded stays; an exception would be a request that nobody inspects."""
    assert isinstance(TRANSFORMS[name].apply(text.encode()), bytes)


def test_multi_match_sees_every_stage_once() -> None:
    """A pattern that only fits the half-decoded text still gets its chance."""
    assert pipeline_of(("urldecodeuni", "lowercase")).stages(b"%41") == [b"%41", b"A", b"a"]


def test_any_chain_of_transformations_can_be_built() -> None:
    """A rule file with t:removeComments,t:trim once failed to load."""
    assert pipeline_of(("removecomments", "trim"))(b" a--b ") == b"a"
