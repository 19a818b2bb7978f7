r"""Does this value continue somebody else's SQL statement?  (`@detectSQLi`)

The idea is libinjection's: an injection is a value that, pasted into a query, turns into *tokens of a shape*
that data never has.  The value is read as SQL three times: from the start, as if a single quote were open
before it, and as if a double quote were.  Each reading becomes a string of one-letter token types, and the
shapes below are looked for in it.  The shapes and word lists are our own and much smaller than libinjection's
fingerprints; `docs/waf.md` says what is missed.

| letter | token | | letter | token |
|---|---|---|---|---|
| `1` | number | | `E` | select |
| | | | `W` | other statement (insert, drop, execute) |
| `s` | string | | `U` | union, intersect, except |
| `n` | other word | | `B` | group by, order by, limit, having, into |
| `v` | @variable | | `f` | function that only attacks use here |
| `o` `w` | operator, and one that is a word | | `&` | and, or, xor, not, &&, || |
| `c` | comment | | `k` | from, where, values and the like |
| `( ) , ;` | themselves | | `D` | waitfor delay |

Price: one pass of a tokenizer per reading, at most `TOKENS_MAX` tokens; values without any of the `GATE`
signs cost one search."""

import re

from edge.l7.waf.regex import compile_pattern

# Enough for a statement to show its shape.  Beyond it an attacker only repeats himself.
TOKENS_MAX = 400
# Longer words are no SQL words.
_WORD_BYTES_MAX = 64

# Between two quotes of a sentence stands more than an injection puts there: such strings are prose ("L").
_STRING_BYTES_MAX = 24

# No injection can do without one of these, so nothing else is tokenized.  The prefilter uses the same text as
# an RE2 pattern.
GATE = (
    rb"(?i)['\"`;(#]|--|/\*|&&|\|\||[0-9][=<>]"
    rb"|\b(?:or|and|xor|not|union|having|order|group|limit|like|between|is|div|in)\b"
)
_GATE = compile_pattern(
    GATE
)  # in 128 kB the standard library's `re` looks for 70 ms, and nobody else gets a turn

_WORDS: dict[bytes, str] = {}
for _letter, _list in {
    "E": "select",
    "W": (
        "insert update delete drop create alter truncate exec execute declare merge replace shutdown grant "
        "handler call"
    ),
    "U": "union intersect except minus",
    "B": "having limit procedure into offset",
    "&": "and or xor not",
    "w": "like rlike regexp glob between is in div mod similar sounds collate",
    "k": (
        "from where values table set join database as on all distinct asc desc null outfile dumpfile "
        "case when then else end using"
    ),
    "f": (
        "sleep benchmark pg_sleep extractvalue updatexml load_file load_extension xp_cmdshell "
        "sp_executesql sp_oacreate "
        "xp_dirtree xp_regread dbms_pipe dbms_lock utl_http utl_inaddr char chr nchar ascii ord "
        "substring substr mid "
        "concat concat_ws group_concat hex unhex version user database schema current_user "
        "system_user session_user "
        "randomblob zeroblob make_set elt if ifnull nullif coalesce cast convert count sum exp "
        "floor rand name_const "
        "polygon multipoint geometrycollection linestring row_count found_rows last_insert_id "
        "length char_length "
        "pg_read_file lo_import query_to_xml database_to_xml quote typeof abs json_keys "
        "st_latfromgeohash sha1 md5 "
        "uuid now crc32 compress encode decode to_char ascii iif isnull getdate dateadd convert_from bin oct"
    ),
    "D": "waitfor",
}.items():
    for _word in _list.split():
        _WORDS[_word.encode()] = _letter

# Functions that reveal an attack wherever they are called with a bracket.
_LOUD = frozenset(
    b"sleep benchmark pg_sleep extractvalue updatexml load_file load_extension xp_cmdshell "
    b"sp_executesql sp_oacreate xp_dirtree "
    b"xp_regread randomblob name_const make_set query_to_xml database_to_xml lo_import pg_read_file".split()
)

_TOKEN = re.compile(
    rb"""(?P<space>[\s\x00\xa0]+)
    |(?P<comment>--(?=[\s\-+*/]|$)[^\n]*|\#[^\n]*)
    |/\*(?P<block>!?)
    |(?P<close>\*/)
    |(?P<quote>['"`])
    |(?P<hex>0[xX][0-9A-Fa-f]+|[xXbBnN]'[0-9A-Fa-f]*')
    |(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)
    |(?P<variable>@@?[A-Za-z_][\w.$]*)
    |(?P<logic>&&|\|\|)
    |(?P<word>[A-Za-z_\x80-\xff$][\w.$\x80-\xff]*)
    |(?P<operator><=>|[<>!]=|<>|:=|[=<>!+\-*/%^&|~]+?)
    |(?P<sign>[(),;{}\[\]])
    |(?P<other>[\s\S])""",
    re.VERBOSE,
)


def _shape(value: bytes, quote: bytes) -> tuple[str, bool]:
    """Token types of one reading, and whether a loud function is called.  `quote`: the one open before the
    value."""
    letters: list[str] = []
    loud = False
    at, end = 0, len(value)
    if quote:
        at = _string_end(value, 0, quote[0])
        letters.append("s")
    while at < end and len(letters) < TOKENS_MAX:
        found = _TOKEN.match(value, at)
        assert found is not None
        kind = found.lastgroup
        at = found.end()
        if kind == "quote":
            begin, at = at, _string_end(value, at, found[0][0])
            # A back quote encloses a name; one that nothing closes is a way of writing quotes in prose.
            if at - begin > _STRING_BYTES_MAX or (found[0] == b"`" and value[at - 1 : at] != b"`"):
                letters.append("L")
                continue
            if letters[-1:] == ["s"]:
                continue  # neighbouring strings are one string
            letters.append("s")
        elif kind == "comment":
            letters.append("c")
        elif kind == "block":
            if found["block"]:
                continue  # MySQL runs what stands in /*! … */
            stop = value.find(b"*/", at)
            if stop == -1:
                letters.append("c")
                break
            at = stop + 2  # a closed comment is a blank
        elif kind in {"hex", "number"}:
            letters.append("1")
        elif kind == "variable":
            letters.append("v")
        elif kind == "logic":
            letters.append("&")
        elif kind == "word":
            word = found[0].lower()
            letter = _WORDS.get(word, "n") if len(word) <= _WORD_BYTES_MAX else "n"
            if letter == "f":
                if value[at : at + 1] == b"(" or (value[at : at + 8].lstrip()[:1] == b"("):
                    loud = loud or word in _LOUD
                else:
                    letter = "n"
            elif word in {b"order", b"group"} and value[at : at + 8].lstrip()[:2].lower() == b"by":
                letter = "B"
            elif (word == b"by" and letters[-1:] == ["B"]) or (
                word in {b"all", b"distinct"} and letters[-1:] == ["U"]
            ):
                continue
            letters.append(letter)
        elif kind == "operator":
            if letters[-1:] != ["o"]:
                letters.append("o")
        elif kind == "sign" and found[0] in b"(),;":
            letters.append(found[0].decode())
        elif kind == "other":
            letters.append("n" if found[0] != b"\\" else "o")
    return "".join(letters), loud


def _string_end(value: bytes, at: int, quote: int) -> int:
    """Just behind the closing quote; doubled and escaped quotes belong to the string."""
    end = len(value)
    while at < end:
        at = value.find(quote, at)
        if at == -1:
            return end
        backslashes = 0
        while at - 1 - backslashes >= 0 and value[at - 1 - backslashes] == 0x5C:
            backslashes += 1
        if backslashes % 2:
            at += 1
        elif value[at + 1 : at + 2] == value[at : at + 1]:
            at += 2
        else:
            return at + 1
    return end


# Shapes that data does not have, in any reading.
_ANYWHERE = re.compile(
    r"U[1s]?\(*E(?:[1sfvok(]|n(?:[,(kc;U]|$)|$)"
    r"|;E(?:[kvBf(1]|nk|n[ows1v])|;D|;W(?:k+n?(?:\(|;|c|$)|Bnk?\(|v|f|[c;])"
    r"|\(E[o1fv(*][^;]{0,60}k|\(E\(+[fE]|\(Ef\(|D(?:n|k)?s"
)
# Shapes that only make sense when something was open before the value: a quote, or a number.
_CONTINUES = re.compile(
    r"^[1sv]\)*(?:"
    r"&+\(*o?(?:[1nvs](?:\([^()]{0,30}\))?|f\([^;]{0,60}?\))\)*(?:[ow]\(*[1snvkfE]|[cBU;])"  # ' or 1=1
    r"|&+\(*(?:[1s]\)*[co&]?$|f\(|E)"
    r"|[ow]\(*(?:f\(|E|[1snv]\(*c)"  # '+sleep(5)+'
    r"|[ow][^;]{0,40}[ow]\(*[1s]c$"
    r"|B\(*(?:1|f|[nsv](?:o|,|[^;]{0,20}c))"  # ' order by 3
    r"|;(?:[ED]|W(?:[kBf(v]|n?[c;]))"
    r"|o?c$"  # admin'--
    r"|\)*c$"
    r"|,\(*(?:f\(|E)"
    r")"
)
_NUMERIC = re.compile(
    r"^o?[1v]\)*(?:"
    r"&+\(*o?[1sv]\)*(?:o\(*[1svf(]|on(?:$|[c;)])|$|c)"  # 1 or 1=1
    r"|&+\(*(?:o?f\(|E)"
    r"|&+\(*[1snv]\)*(?:o\(*[1svfE]|w(?:\(|[1sf](?:$|[c;)&ow(])))"
    r"|B1|;[ED]|;W[kBf]|o\(E|of\("
    r")"
)
# A call that only attacks make, where a statement would have one: behind an operator, not behind a word.
_CALLS = re.compile(r"(?:^|[ow&,(;EkU1sc)])f\([1s](?:[),owc&]|$)")


def looks_like_sqli(value: bytes) -> bytes:
    """The shape that gives the injection away (as text, for the log), or b"" when there is none."""
    if not _GATE.found(value):
        return b""
    shape, loud = _shape(value, b"")
    if _ANYWHERE.search(shape) or _NUMERIC.search(shape) or (loud and _CALLS.search(shape)):
        return shape[:8].encode()
    for quote in (b"'", b'"'):
        if quote in value:
            shape, loud = _shape(value, quote)
            if (
                _ANYWHERE.search(shape)
                or (_CONTINUES.search(shape) and not (_COMMENTED.match(shape) and _is_quoted(value, quote)))
                or (loud and shape[1:2] in {"o", "w", "&", ",", ")", ";", "f"})
            ):
                return shape[:8].encode()
    return b""


_COMMENTED = re.compile(r"s\)*;?o?c$")


def _is_quoted(value: bytes, quote: bytes) -> bool:
    """Whether a writer put something between quotes, as in: lines with '#' are skipped.

    His first quote opens: it stands at the beginning, behind a blank or a bracket, and one more of its kind
    closes.  The quote of an injection closes; what comes after it is a comment and needs no other quote.
    """
    at = value.find(quote)
    return (at == 0 or value[at - 1 : at] in _OPENERS) and quote in value[at + 1 :]


_OPENERS = frozenset(bytes((byte,)) for byte in b" \t\n([{=:<,")
