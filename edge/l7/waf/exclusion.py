"""How is an exclusion written down, as narrow as it can be?

An `[[exclude]]` table for a native rule file: these rules, these values, this host, path and method, and a
day on which it ends.  An exclusion outlives its reason unless somebody has to look at it again.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from edge.l7.waf.form import Exclusion
from edge.l7.waf.native import TARGETS

EXPIRES_S = 90 * 86_400
# What an offered table has where a reason belongs.
NO_REASON = "say here why this is harmless"

# Names in rule files for the collections that conditions name.
_NAMES = {collection: name for name, collection in TARGETS.items()}
# A number, several of them, or what is long and hexadecimal and holds a digit: 17, 889_484, a UUID.
_ID = re.compile(r"\d[\d_.,\-]*|(?=[^/]*\d)[0-9a-fA-F\-]{8,}")


def native_target(variable: str) -> str:
    """`ARGS:q` as a native rule file spells it: `args:q`."""
    collection, colon, key = variable.partition(":")
    return _NAMES.get(collection, collection.lower()) + colon + key


def without_id(path: str) -> tuple[str, bool]:
    """The path up to its first segment that looks like an id, and whether there was one."""
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if _ID.fullmatch(segment):
            return "/".join(segments[:at]) + "/", True
    return path, False


def exclusion_toml(
    rules: Iterable[int],
    variables: Iterable[str],
    *,
    host: str,
    method: str,
    path: str,
    unix_s: float,
    is_prefix: bool = False,
) -> str:
    """The table.  `path` is as it was sent; conditions compare the decoded one."""
    decoded = unquote_to_bytes(path.encode("latin-1")).decode("utf-8", "replace")
    when = [f"host = {_quoted(host)}"] if host else []
    when += [f"path{'_prefix' * is_prefix} = {_quoted(decoded)}", f"method = [{_quoted(method)}]"]
    targets = sorted({native_target(variable) for variable in variables if variable})
    expires = datetime.fromtimestamp(unix_s + EXPIRES_S, UTC).date()
    lines = [
        "[[exclude]]",
        f"rules = [{', '.join(_quoted(rule) for rule in sorted(set(map(str, rules))))}]",
        f"when = {{ {', '.join(when)} }}",
        f"targets = [{', '.join(map(_quoted, targets))}]",
        f"reason = {_quoted(NO_REASON)}",
        f"expires = {expires.isoformat()}",
    ]
    return "\n".join(lines)


def doubts(exclusions: Iterable[Exclusion], unix_now: float) -> Iterator[str]:
    """What somebody should look at again: an exclusion that has ended, or that nobody has given a reason."""
    for exclusion in exclusions:
        if 0 < exclusion.expires_unix_s <= unix_now:
            ended = datetime.fromtimestamp(exclusion.expires_unix_s, UTC)
            yield f"{exclusion.place}: the exclusion ended at {ended:%Y-%m-%d %H:%M} UTC and can go"
        if exclusion.reason == NO_REASON:
            yield f"{exclusion.place}: the exclusion still has no reason of its own"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
