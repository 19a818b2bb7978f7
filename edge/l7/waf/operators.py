r"""Does this value match?

An operator is compiled once to a function of `(value, transaction)`.  It returns None for "no", or a `Hit`:
where the match begins (-1 when it has no place) and the captured groups, the whole match first.  Negation is
the caller's business.

Names and corner cases are ModSecurity's.  What the edge does not do is refused by name, with the reason.
"""

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from edge.l7.waf.expand import expand
from edge.l7.waf.form import Operator
from edge.l7.waf.html_tokens import looks_like_xss
from edge.l7.waf.regex import Pattern, PatternError, compile_pattern
from edge.l7.waf.sql_tokens import looks_like_sqli
from edge.l7.waf.variables import Transaction

Hit = tuple[int, tuple[bytes, ...]]
Test = Callable[[bytes, Transaction], Hit | None]

# Patterns built from macros at run time.  The text comes from rule files through variables, so a few repeat.
MACRO_PATTERNS_MAX = 64

# RE2 compiles half a microsecond a byte, and nothing else in the process runs meanwhile.
LATE_PATTERN_BYTES_MAX = 2048

# Reading an address takes 6 us, and a phone has one for many requests.
ADDRESSES_MAX = 1024
ADDRESS_BYTES_MAX = 64

REFUSED_OPERATORS = {
    "geolookup": "needs a geographic database",
    "rbl": "asks the network",
    "inspectfile": "runs a program",
    "fuzzyhash": "needs ssdeep",
    "gsblookup": "asks the network",
    "verifycc": "is about answers' content, which other tools guard better",
    "verifycpf": "is about answers' content, which other tools guard better",
    "verifyssn": "is about answers' content, which other tools guard better",
    "rsub": "rewrites traffic",
    "validatedtd": "loads document types",
    "validateschema": "loads schemas",
    "validatehash": "needs signed links",
}

_MATCHED: Hit = (-1, ())


def pm_pattern(phrases: tuple[bytes, ...]) -> bytes:
    """A pattern that finds any of the phrases, whatever their case."""
    unique = sorted({phrase.lower() for phrase in phrases})
    return b"(?i)(?:" + b"|".join(quote(phrase) for phrase in unique) + b")"


def quote(text: bytes) -> bytes:
    r"""A pattern for exactly these bytes."""
    return b"".join(
        bytes((byte,)) if chr(byte).isascii() and (chr(byte).isalnum() or byte == 0x5F) else b"\\x%02x" % byte
        for byte in text
    )


def pm_phrases(operator: Operator) -> tuple[bytes, ...]:
    """What `@pm` looks for: the lines of its file, or the words of its argument."""
    return operator.phrases or tuple((operator.argument.constant or b"").split())


def bytes_outside(ranges: bytes) -> bytes | None:
    """A character class of the bytes that `@validateByteRange ranges` refuses; None when it allows all."""
    allowed: set[int] = set()
    for part in ranges.replace(b" ", b"").split(b","):
        low, dash, high = part.partition(b"-")
        allowed.update(range(int(low), int(high if dash else low) + 1))
    refused = [byte for byte in range(256) if byte not in allowed]
    return b"[" + b"".join(b"\\x%02x" % byte for byte in refused) + b"]" if refused else None


BAD_PERCENT = rb"%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)"


def number(text: bytes) -> int:
    """What C's atoi() makes of it: leading digits, 0 when there are none."""
    found = _NUMBER.match(text)
    return int(found[0]) if found else 0


# Sixteen digits are more than any counter here reaches; int() of a long run of digits is quadratic.
_NUMBER = re.compile(rb"\s*[+-]?[0-9]{1,16}")


def compile_operator(operator: Operator) -> Test:
    """The function for one operator that `check_operator` has nothing to say against."""
    return _COMPILERS[operator.name](operator)


def check_operator(operator: Operator) -> None:
    """Raise `PatternError` or ValueError on a bad argument.  Patterns are compiled for that and thrown away:
    of those in use few are ever asked."""
    source = pattern_of(operator)
    if source is not None:
        compile_pattern(source)
    else:
        compile_operator(operator)


def takes_long_to_compile(operator: Operator) -> bool:
    """Whether the pattern behind it should not wait for the first phone to be compiled."""
    return len(pattern_of(operator) or b"") > LATE_PATTERN_BYTES_MAX


def pattern_of(operator: Operator) -> bytes | None:
    """The pattern behind it, where there is one and it is known at load."""
    constant = operator.argument.constant
    if operator.name == "rx":
        return constant
    if operator.name == "pm":
        return pm_pattern(pm_phrases(operator))
    return bytes_outside(constant or b"0-255") if operator.name == "validatebyterange" else None


def _rx(operator: Operator) -> Test:
    source = pattern_of(operator)
    return _rx_macro(operator) if source is None else pattern_test(Pattern(source))


def pattern_test(pattern: Pattern) -> Test:
    """A test that captures the groups of `pattern`."""
    spans = pattern.spans

    def test(value: bytes, _: Transaction) -> Hit | None:
        found = spans(value)
        if found is None:
            return None
        return found[0][0], tuple(value[low:high] if low >= 0 else b"" for low, high in found[:10])

    return test


def _rx_macro(operator: Operator) -> Test:
    compiled: OrderedDict[bytes, Pattern | None] = OrderedDict()

    def test(value: bytes, transaction: Transaction) -> Hit | None:
        source = expand(operator.argument, transaction)
        if source not in compiled:
            try:
                compiled[source] = compile_pattern(source)
            except PatternError:
                compiled[source] = None
            if len(compiled) > MACRO_PATTERNS_MAX:
                compiled.popitem(last=False)
        pattern = compiled[source]
        return None if pattern is None else pattern_test(pattern)(value, transaction)

    return test


def _text(compare: Callable[[bytes, bytes], int]) -> Callable[[Operator], Test]:
    """A comparison of value and argument that returns the place of the match, or -2 for none."""

    def compiler(operator: Operator) -> Test:
        constant = operator.argument.constant

        def fixed(value: bytes, _: Transaction) -> Hit | None:
            assert constant is not None
            place = compare(value, constant)
            return None if place == -2 else (place, (value if place < 0 else constant,))

        def filled(value: bytes, transaction: Transaction) -> Hit | None:
            argument = expand(operator.argument, transaction)
            place = compare(value, argument)
            return None if place == -2 else (place, (value if place < 0 else argument,))

        return filled if constant is None else fixed

    return compiler


def _contains(value: bytes, argument: bytes) -> int:
    place = value.find(argument)
    return place if place >= 0 else -2


def _contains_word(value: bytes, argument: bytes) -> int:
    at = value.find(argument)
    while at >= 0:
        before, after = value[at - 1 : at] if at else b"", value[at + len(argument) : at + len(argument) + 1]
        if not before.isalnum() and before != b"_" and not after.isalnum() and after != b"_":
            return at
        at = value.find(argument, at + 1)
    return -2


def _ends(value: bytes, argument: bytes) -> int:
    return len(value) - len(argument) if value.endswith(argument) else -2


def _compare(test: Callable[[int, int], bool]) -> Callable[[Operator], Test]:
    def compiler(operator: Operator) -> Test:
        constant = operator.argument.constant
        fixed_number = None if constant is None else number(constant)

        def fixed(value: bytes, _: Transaction) -> Hit | None:
            assert fixed_number is not None
            return _MATCHED if test(number(value), fixed_number) else None

        def filled(value: bytes, transaction: Transaction) -> Hit | None:
            return _MATCHED if test(number(value), number(expand(operator.argument, transaction))) else None

        return filled if constant is None else fixed

    return compiler


def _byte_range(operator: Operator) -> Test:
    refused = pattern_of(operator)
    return pattern_test(Pattern(refused)) if refused is not None else lambda value, transaction: None


def _utf8(value: bytes, _: Transaction) -> Hit | None:
    if value.isascii():
        return None
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start, (value[error.start : error.end],)
    return None


def _ip_match(operator: Operator) -> Test:
    words = operator.phrases or tuple((operator.argument.constant or b"").replace(b",", b" ").split())
    networks = [ipaddress.ip_network(word.decode("ascii"), strict=False) for word in words]

    @lru_cache(maxsize=ADDRESSES_MAX)
    def holds(value: bytes) -> bool:
        try:
            address = ipaddress.ip_address(value.decode("ascii"))
        except ValueError:
            return False
        return any(address in network for network in networks if network.version == address.version)

    def test(value: bytes, _: Transaction) -> Hit | None:
        return _MATCHED if len(value) <= ADDRESS_BYTES_MAX and holds(value) else None

    return test


# The same header lines, tokens and words come again; longer values are read each time.
REMEMBERED_BYTES_MAX = 256
REMEMBERED_MAX = 2048  # 0.9 MB each at most
_known_sqli = lru_cache(maxsize=REMEMBERED_MAX)(looks_like_sqli)
_known_xss = lru_cache(maxsize=REMEMBERED_MAX)(looks_like_xss)


def _sqli(value: bytes, _: Transaction) -> Hit | None:
    fingerprint = _known_sqli(value) if len(value) <= REMEMBERED_BYTES_MAX else looks_like_sqli(value)
    return (-1, (fingerprint,)) if fingerprint else None


def _xss(value: bytes, _: Transaction) -> Hit | None:
    found = _known_xss(value) if len(value) <= REMEMBERED_BYTES_MAX else looks_like_xss(value)
    return (-1, (found,)) if found else None


_COMPILERS: dict[str, Callable[[Operator], Test]] = {
    "rx": _rx,
    "pm": _rx,
    "contains": _text(_contains),
    "containsword": _text(_contains_word),
    "strmatch": _text(_contains),
    "streq": _text(lambda value, argument: 0 if value == argument else -2),
    "beginswith": _text(lambda value, argument: 0 if value.startswith(argument) else -2),
    "endswith": _text(_ends),
    # "Is the value one of these": the value is looked for in the argument; an empty value is in everything.
    "within": _text(lambda value, argument: -1 if value in argument else -2),
    "eq": _compare(lambda value, argument: value == argument),
    "ge": _compare(lambda value, argument: value >= argument),
    "gt": _compare(lambda value, argument: value > argument),
    "le": _compare(lambda value, argument: value <= argument),
    "lt": _compare(lambda value, argument: value < argument),
    "validatebyterange": _byte_range,
    "validateurlencoding": lambda operator: pattern_test(Pattern(BAD_PERCENT)),
    "validateutf8encoding": lambda operator: _utf8,
    "ipmatch": _ip_match,
    "detectsqli": lambda operator: _sqli,
    "detectxss": lambda operator: _xss,
    "unconditionalmatch": lambda operator: lambda value, transaction: (-1, (value,)),
    "nomatch": lambda operator: lambda value, transaction: None,
}

OPERATOR_NAMES = frozenset(_COMPILERS) | {"pmfromfile", "pmf", "ipmatchfromfile", "ipmatchf"}
