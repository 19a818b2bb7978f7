"""What do Cache-Control and its relatives ask for?

One parser for both directions (RFC 9111 section 5.2) and one for the targeted
form (RFC 9213, `CDN-Cache-Control`), which is a Structured Field and therefore
either right or ignored as a whole.

Where a sender is sloppy the answer is the one that caches less: of two max-age
the smaller holds, an unreadable number is 0, a qualified `private="x"` hides the
field x from the store.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from msgspec import Struct

# RFC 9111 section 1.2.2: a recipient that cannot represent a number takes this one.
SECONDS_MAX: Final = 2**31
_ANY: Final = SECONDS_MAX  # `max-stale` without a value

_DIRECTIVE = re.compile(
    rb"""\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
         (?P<equals>=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*)))?
         \s*(?P<rest>(?:[^,"]|"(?:[^"\\]|\\.)*")*)(?:,|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_TO_COMMA = re.compile(rb"[^,]*(?:,|\Z)")
_NUMBERS: Final = frozenset(
    {"max-age", "s-maxage", "min-fresh", "max-stale", "stale-while-revalidate", "stale-if-error"}
)


class Directives(Struct, frozen=True):
    """All that we understand, of a request or a response; seconds, None where it was not said."""

    max_age: int | None = None
    s_maxage: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    no_store: bool = False
    no_cache: bool = False
    private: bool = False
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    only_if_cached: bool = False
    hidden: frozenset[bytes] = frozenset()  # fields that must not be reused

    def explicit_s(self) -> int | None:
        """The lifetime that a shared cache is told, if any (RFC 9111 section 4.2.1)."""
        return self.max_age if self.s_maxage is None else self.s_maxage


NONE: Final = Directives()


@lru_cache(maxsize=1024)
def parse(value: bytes) -> Directives:
    """The directives in `value`, which is all Cache-Control lines joined by commas."""
    numbers: dict[str, int] = {}
    flags: set[str] = set()
    hidden: set[bytes] = set()
    at = 0
    while at < len(value):
        found = _DIRECTIVE.match(value, at)
        if found is None:
            skipped = _TO_COMMA.match(value, at)
            assert skipped is not None, "it matches the empty string"
            at = max(skipped.end(), at + 1)
            continue
        at = max(found.end(), at + 1)
        name = found["name"].decode().lower()
        quoted, plain = found["quoted"], found["plain"]
        argument = plain if quoted is None else quoted
        if found["rest"].strip():
            argument = b"?"  # "max-age =5", "max-age=5 x": not a number
        if name in _NUMBERS:
            seconds = _ANY if name == "max-stale" and argument is None else _seconds(argument)
            numbers[name] = min(numbers.get(name, SECONDS_MAX), seconds)
        elif name in ("private", "no-cache") and argument:
            hidden.update(field.strip().lower() for field in argument.split(b","))
        else:
            flags.add(name)
    return _made(numbers, flags, frozenset(hidden))


def _seconds(argument: bytes | None) -> int:
    if argument is None or not argument.isdigit():
        return 0
    return min(int(argument[:12]), SECONDS_MAX)


_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_BARE: Final = (
    r"(?:-?\d{1,15}(?:\.\d{1,3})?"  # integer, decimal
    r'|"[ !#-\[\]-~]*"'  # string
    r"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"  # token
    r"|:[A-Za-z0-9+/=]*:"  # bytes
    r"|\?[01])"  # boolean
)
_MEMBER = re.compile(rf"(?P<key>{_KEY})(?:=(?P<value>{_BARE}))?(?:; *{_KEY}(?:={_BARE})?)*\Z")


@lru_cache(maxsize=256)
def parse_targeted(value: bytes) -> Directives | None:
    """The directives of `CDN-Cache-Control`, or None where it is to be ignored (RFC 9213 section 2.2)."""
    numbers: dict[str, int] = {}
    flags: set[str] = set()
    for member in value.decode("latin-1").split(","):
        found = _MEMBER.match(member.strip(" \t"))
        if found is None:
            return None
        name, text = found["key"], found["value"]
        if name in _NUMBERS:
            if text is None or not text.isdigit():
                return None
            numbers[name] = min(int(text), SECONDS_MAX)
        elif text in (None, "?1"):
            flags.add(name)
        elif text == "?0":
            flags.discard(name)
    return _made(numbers, flags, frozenset())


def _made(numbers: dict[str, int], flags: Iterable[str], hidden: frozenset[bytes]) -> Directives:
    said = set(flags)
    return Directives(
        max_age=numbers.get("max-age"),
        s_maxage=numbers.get("s-maxage"),
        min_fresh=numbers.get("min-fresh"),
        max_stale=numbers.get("max-stale"),
        stale_while_revalidate=numbers.get("stale-while-revalidate"),
        stale_if_error=numbers.get("stale-if-error"),
        no_store="no-store" in said,
        no_cache="no-cache" in said,
        private="private" in said,
        public="public" in said,
        must_revalidate="must-revalidate" in said,
        proxy_revalidate="proxy-revalidate" in said,
        must_understand="must-understand" in said,
        only_if_cached="only-if-cached" in said,
        hidden=hidden,
    )
