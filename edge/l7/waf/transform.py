"""Which transformations may a rule name, and what does a chain of them make of a text?

A transformation maps bytes to bytes and never fails.  The names are ModSecurity's; what they do stands in
`edge.l7.waf.decoders` and `edge.l7.waf.normal_forms`.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

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
    url_encode,
    utf8_to_unicode,
)
from edge.l7.waf.normal_forms import (
    cmd_line,
    compress_whitespace,
    normalize_path,
    normalize_path_win,
    remove_comments,
    remove_comments_char,
    remove_nulls,
    remove_whitespace,
    replace_comments,
    replace_nulls,
    shell_words,
)

Transform = Callable[[bytes], bytes]


def _same(text: bytes) -> bytes:
    return text


@dataclass(frozen=True, slots=True)
class Step:
    """One transformation."""

    name: str
    apply: Transform


_STEPS = [
    Step("none", _same),
    Step("lowercase", bytes.lower),
    Step("uppercase", bytes.upper),
    Step("urlDecode", url_decode),
    Step("urlDecodeUni", url_decode_uni),
    Step("urlEncode", url_encode),
    Step("htmlEntityDecode", html_entity_decode),
    Step("browserEntityDecode", browser_entity_decode),
    Step("jsDecode", js_decode),
    Step("cssDecode", css_decode),
    Step("escapeSeqDecode", escape_seq_decode),
    Step("halfWidth", half_width),
    Step("utf8toUnicode", utf8_to_unicode),
    Step("removeNulls", remove_nulls),
    Step("replaceNulls", replace_nulls),
    Step("removeWhitespace", remove_whitespace),
    Step("compressWhitespace", compress_whitespace),
    Step("replaceComments", replace_comments),
    Step("removeComments", remove_comments),
    Step("removeCommentsChar", remove_comments_char),
    Step("normalizePath", normalize_path),
    Step("normalisePath", normalize_path),
    Step("normalizePathWin", normalize_path_win),
    Step("normalisePathWin", normalize_path_win),
    Step("cmdLine", cmd_line),
    Step("shellWords", shell_words),
    Step("base64Decode", base64_decode),
    Step("base64DecodeExt", base64_decode_ext),
    Step("base64Encode", base64.b64encode),
    Step("hexDecode", hex_decode),
    Step("hexEncode", binascii.hexlify),
    Step("sqlHexDecode", sql_hex_decode),
    Step("sha1", lambda text: hashlib.sha1(text, usedforsecurity=False).digest()),
    Step("md5", lambda text: hashlib.md5(text, usedforsecurity=False).digest()),
    Step("length", lambda text: b"%d" % len(text)),
    Step("trim", lambda text: text.strip(b"\t\n\x0b\x0c\r ")),
    Step("trimLeft", lambda text: text.lstrip(b"\t\n\x0b\x0c\r ")),
    Step("trimRight", lambda text: text.rstrip(b"\t\n\x0b\x0c\r ")),
]

# By lower-case name, as rule files spell them in every way.
TRANSFORMS: dict[str, Step] = {step.name.lower(): step for step in _STEPS}


class Pipeline:
    """A chain of transformations as one function.  Equal chains share one object (`pipeline_of`)."""

    __slots__ = ("_functions", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._functions = tuple(TRANSFORMS[name].apply for name in names if name != "none")

    def __call__(self, text: bytes) -> bytes:
        for function in self._functions:
            text = function(text)
        return text

    def stages(self, text: bytes) -> list[bytes]:
        """The text itself and every intermediate value that differs from the one before (`multiMatch`)."""
        out = [text]
        for function in self._functions:
            after = function(out[-1])
            if after != out[-1]:
                out.append(after)
        return out


_PIPELINES: dict[tuple[str, ...], Pipeline] = {}


def pipeline_of(names: tuple[str, ...]) -> Pipeline:
    """The pipeline for these (lower-case) transformation names.  Bounded by what rule files spell."""
    found = _PIPELINES.get(names)
    if found is None:
        found = _PIPELINES[names] = Pipeline(names)
    return found
