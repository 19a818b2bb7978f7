"""Can a decision of the audit log be made again from what the log holds, and what would it be now?

The log has method, host and target, and no bodies, cookies or other fields: it is no second place for
secrets.  So a record can be replayed if everything that rules spoke about then stands in its target.
"""

from collections.abc import Mapping
from typing import Any

from edge.l7.waf.decoders import url_decode
from edge.l7.waf.request import WafRequest, WafVerdict

_IN_THE_LINE = frozenset(
    (
        "REQUEST_FILENAME", "REQUEST_BASENAME", "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_METHOD",
        "REQUEST_LINE", "QUERY_STRING",
    )
)  # fmt: skip


def can_be_replayed(record: Mapping[str, Any]) -> bool:
    """Whether all that was found stands in the method and target that were written down."""
    query = record["target"].encode("latin-1").partition(b"?")[2]
    names = {_name(pair) for pair in query.split(b"&") if not _is_hidden(pair)}
    return all(_is_there(match["variable"], names) for match in record["matches"])


def head_of(record: Mapping[str, Any]) -> WafRequest:
    """The request as far as it is known."""
    headers = ((b"host", record["host"].encode("latin-1")),)
    target = record["target"].encode("latin-1")
    return WafRequest(record["client"], record["method"], target, "HTTP/1.1", headers)


def refuses(verdict: WafVerdict, record: Mapping[str, Any]) -> bool:
    """Whether `verdict` means a refusal under the threshold that held for the route of `record`."""
    if verdict.action != "pass" and not verdict.by_score:
        return True
    threshold: int = record["threshold"]
    return verdict.sum_max >= max(1, threshold)


def _is_there(variable: str, names: set[str]) -> bool:
    collection, _, key = variable.partition(":")
    if collection in {"ARGS", "ARGS_GET", "ARGS_NAMES", "ARGS_GET_NAMES"}:
        return key in names
    return collection in _IN_THE_LINE or variable == "REQUEST_HEADERS:host"


def _name(pair: bytes) -> str:
    return url_decode(pair.partition(b"=")[0]).decode("utf-8", "replace")  # as the engine spells a variable


def _is_hidden(pair: bytes) -> bool:
    """A secret's value is replaced by its length, `[12]`."""
    value = pair.partition(b"=")[2]
    return value.startswith(b"[") and value.endswith(b"]") and value[1:-1].isdigit()
