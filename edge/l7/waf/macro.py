"""How is text with holes ("%{tx.0} in %{MATCHED_VAR_NAME}") read?

A hole is `%{collection.key}`, `%{collection:key}` or `%{collection}`.  Anything that does not have that shape
stays literal, as in ModSecurity: a lone percent sign in a message is no error."""

import re

from edge.l7.waf.form import Macro

# Only rule files are read with this, never a request.
_HOLE = re.compile(rb"%\{([A-Za-z_]+)(?:[.:]([^}]*))?\}")


def parse_macro(text: bytes) -> Macro:
    """Split into literal text and holes.  Collections become upper case, keys lower case."""
    holes: list[tuple[bytes, str, bytes]] = []
    at = 0
    for hole in _HOLE.finditer(text):
        holes.append((text[at : hole.start()], hole[1].decode("latin-1").upper(), (hole[2] or b"").lower()))
        at = hole.end()
    return Macro(tuple(holes), text[at:])
