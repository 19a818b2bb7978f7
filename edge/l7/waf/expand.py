"""What does "%{tx.score} of %{MATCHED_VAR_NAME}" say for this transaction?"""

from edge.l7.waf.form import Macro
from edge.l7.waf.variables import COLLECTIONS, Transaction


def expand(macro: Macro, transaction: Transaction) -> bytes:
    """Fill the holes.  What does not exist is empty, as in ModSecurity."""
    if not macro.holes:
        return macro.tail
    parts: list[bytes] = []
    for before, collection, key in macro.holes:
        parts.append(before)
        parts.append(_lookup(collection, key, transaction))
    parts.append(macro.tail)
    return b"".join(parts)


def _lookup(collection: str, key: bytes, transaction: Transaction) -> bytes:
    if collection == "TX":
        return transaction.tx.get(key, b"")
    known = COLLECTIONS.get(collection)
    if known is None:
        return b""
    for name, value in known[0](transaction):
        if not key or name.lower() == key:
            return value
    return b""
