"""What is left of this text when all that a reader throws away is gone?

Blanks, comments, NUL bytes, the dots of a path, the quotes of a shell: a database, a file system or a shell
does not mind them, so an attacker puts them between the letters that a rule looks for.  The corner cases are
ModSecurity's; `shell_words` is our own.

Every pattern in this module is our own, and linear: character classes and bounded repeats, never nested.
"""

import re


def remove_nulls(text: bytes) -> bytes:
    """NUL bytes vanish."""
    return text.replace(b"\0", b"") if b"\0" in text else text


def replace_nulls(text: bytes) -> bytes:
    """NUL bytes become blanks."""
    return text.replace(b"\0", b" ") if b"\0" in text else text


def remove_whitespace(text: bytes) -> bytes:
    """Every blank vanishes."""
    return text.translate(None, b"\t\n\x0b\x0c\r \xa0")


def _one_blank(text: bytes) -> bytes:
    # Each pass halves the runs.  A pattern takes ten times as long on text with few blanks, which most is.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


# What isspace() calls blank in the C locale, and the no-break space of Latin-1, which ModSecurity adds.
_TO_BLANK = bytes.maketrans(b"\t\n\x0b\x0c\r\xa0", b" " * 6)


def compress_whitespace(text: bytes) -> bytes:
    """A run of blanks becomes one blank."""
    return _one_blank(text.translate(_TO_BLANK))


def replace_comments(text: bytes) -> bytes:
    """`/* … */` becomes one blank; an open comment swallows the rest."""
    if b"/*" not in text:
        return text
    out: list[bytes] = []
    at = 0
    while (start := text.find(b"/*", at)) != -1:
        out.append(text[at:start])
        out.append(b" ")
        stop = text.find(b"*/", start + 2)
        if stop == -1:
            return b"".join(out)
        at = stop + 2
    out.append(text[at:])
    return b"".join(out)


def remove_comments(text: bytes) -> bytes:
    """C, HTML, SQL and shell comments vanish; `--` and `#` swallow the rest."""
    out: list[bytes] = []
    at, end = 0, len(text)
    while at < end:
        if text.startswith(b"/*", at):
            stop = text.find(b"*/", at + 2)
            at = end if stop == -1 else stop + 2
        elif text.startswith(b"<!--", at):
            stop = text.find(b"-->", at + 4)
            at = end if stop == -1 else stop + 3
        elif text.startswith(b"--", at) or text[at] == 0x23:
            break
        else:
            out.append(text[at : at + 1])
            at += 1
    return b"".join(out)


_COMMENT_CHARS = re.compile(rb"/\*|\*/|<!--|-->|--|#")


def remove_comments_char(text: bytes) -> bytes:
    """The signs that open and close comments vanish; what is between them stays."""
    if b"--" not in text and b"#" not in text and b"*" not in text:
        return text
    return _COMMENT_CHARS.sub(b"", text)


def normalize_path(text: bytes) -> bytes:
    """`/a//b/./../c` becomes `/a/c`; leading `..` stay when there is nothing to go back to."""
    if not text or (b"./" not in text and b"//" not in text and b"/." not in text and text != b"."):
        return text
    rooted = text[:1] == b"/"
    kept: list[bytes] = []
    parts = text.split(b"/")
    for part in parts:
        if part in {b"", b"."}:
            continue
        if part == b".." and kept and kept[-1] != b"..":
            kept.pop()
        elif part == b".." and rooted and not kept:
            continue
        else:
            kept.append(part)
    joined = b"/".join(kept)
    if rooted:
        joined = b"/" + joined
    if parts[-1] in {b"", b"."} and kept:
        joined += b"/"
    return joined


def normalize_path_win(text: bytes) -> bytes:
    """As `normalize_path`, after turning backslashes into slashes."""
    return normalize_path(text.replace(b"\\", b"/"))


_UPPER, _LOWER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_CMD = bytes.maketrans(b"\t\n\x0b\x0c\r,;" + _UPPER, b" " * 7 + _LOWER)


def cmd_line(text: bytes) -> bytes:
    """What a shell would read: no quoting characters, one blank between words, none before `/` and `(`, lower
    case."""
    text = _one_blank(text.translate(_CMD, b"\\\"'^"))
    if b" /" in text or b" (" in text:
        text = text.replace(b" /", b"/").replace(b" (", b"(")
    return text


_IFS = re.compile(rb"\$(?:\{IFS[^}]{0,40}\}|IFS)(?:\$?[0-9])?", re.IGNORECASE)
_SHELL_VARIABLE = re.compile(rb"\$(?:[@*#?!$0-9\-]|\{[^}]{0,40}\}|[A-Za-z_][A-Za-z0-9_]{0,30})")
_APOSTROPHE = re.compile(rb"(?<=[a-z])'(?=(?:d|s|t|m|ll|re|ve)[ .,:!?)])", re.IGNORECASE)
_SHELL = bytes.maketrans(b"\t\x0b\x0c\r" + _UPPER, b" " * 4 + _LOWER)


def shell_words(text: bytes) -> bytes:
    r"""Our own, for `c\a't' $IFS/etc$u/passwd`: a shell's blanks and nothing that it would throw away; lower
    case.

    Unlike cmdLine it keeps `;`, and a line end becomes one: both say where the next command begins.  The
    apostrophe of "; I'd say" is kept, as `_`: to a shell it opens a string that goes on behind the word, so
    the word is no `id`.
    """
    if b"'" in text:
        text = _APOSTROPHE.sub(b"_", text)
    if b"\n" in text:
        text = text.replace(b"\n", b";")
    if b"$" in text:
        text = _IFS.sub(b" ", text)
        text = _SHELL_VARIABLE.sub(b"", text)
    return _one_blank(text.translate(_SHELL, b"\\\"'^"))
