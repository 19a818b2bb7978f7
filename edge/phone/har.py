"""The trace as an HTTP Archive, for the network panel of every browser.

HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/) knows pages and requests.
The phone's request is the first entry, with its phases as the spec wants them:
`connect` holds `ssl`, and `time` is the sum of all phases but `ssl`.  Each call that
a process of the edge made on the phone's behalf is an entry of the same page, so a
browser's waterfall shows the fan-out of the feed.

What the phone did in no phase of its own stands under `blocked`; otherwise the
entry would claim to be shorter than the phone felt it.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from edge.common.header_fields import REQUEST, RESPONSE, headers_of
from edge.common.spans import CLIENT, SERVER, Span
from edge.phone.attribution import is_phase, phase_word
from edge.phone.span_tree import Node, Tree

VERSION = "1.2"
CREATOR = {"name": "edge", "version": "0.1.0"}
NOT_KNOWN = -1  # the spec's word for a size or a phase that does not apply
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def export(tree: Tree, unix_offset_ns: int) -> dict[str, Any]:
    """One page with one entry per HTTP call; `unix_offset_ns` is Unix time minus CLOCK_MONOTONIC."""
    root = tree.root
    page = f"page_{root.span.trace_id}"
    entries = [_entry(root, page, unix_offset_ns, _phone_timings(root))]
    entries += [
        _entry(node, page, unix_offset_ns, _call_timings(node))
        for node in root.walk()
        if node is not root and node.span.kind == CLIENT and not is_phase(node)
    ]
    return {
        "log": {
            "version": VERSION,
            "creator": CREATOR,
            "pages": [
                {
                    "startedDateTime": _moment(root.start_ns + unix_offset_ns),
                    "id": page,
                    "title": _url(root),
                    "pageTimings": {"onContentLoad": NOT_KNOWN, "onLoad": _ms(root.duration_ns)},
                }
            ],
            "entries": sorted(entries, key=lambda entry: str(entry["startedDateTime"])),
            "comment": f"trace {root.span.trace_id}",
        }
    }


def _entry(node: Node, page: str, unix_offset_ns: int, timings: dict[str, float]) -> dict[str, Any]:
    carriers = _carriers(node)
    entry: dict[str, Any] = {
        "pageref": page,
        "startedDateTime": _moment(node.start_ns + unix_offset_ns),
        "time": _ms(node.duration_ns),
        "request": _request(node, carriers),
        "response": _response(node, carriers),
        "cache": {},
        "timings": timings,
        "comment": f"{node.span.instance}, span {node.span.span_id}",
        # Names with an underscore are the spec's room for one's own.
        "_spanId": node.span.span_id,
        "_initiator": {"type": "other", "url": node.span.instance},
    }
    address = _peer(node)
    if address:
        entry["serverIPAddress"] = address
    connection = next((number for one in carriers if (number := _text(one, "edge.conn.id"))), "")
    if connection:
        entry["connection"] = connection
    return entry


def _request(node: Node, carriers: list[Span]) -> dict[str, Any]:
    url = _url(node)
    return {
        "method": _first(carriers, "http.request.method") or "GET",
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],  # a trace is shown to others
        "headers": _headers(carriers, REQUEST),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
        ],
        "headersSize": NOT_KNOWN,
        "bodySize": _number(carriers, "http.request.body.size"),
    }


def _response(node: Node, carriers: list[Span]) -> dict[str, Any]:
    status = max(0, _number(carriers, "http.response.status_code"))
    headers = _headers(carriers, RESPONSE)
    kind = next((header["value"] for header in headers if header["name"] == "content-type"), "")
    size = _number(carriers, "http.response.body.size")
    response: dict[str, Any] = {
        "status": status,
        "statusText": _phrase(status),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers,
        "content": {"size": max(0, size), "mimeType": kind},
        "redirectURL": next((header["value"] for header in headers if header["name"] == "location"), ""),
        "headersSize": NOT_KNOWN,
        "bodySize": size,
    }
    if node.span.error:
        response["_error"] = node.span.error
    return response


def _phone_timings(root: Node) -> dict[str, float]:
    """The phases of the phone; of a request that another phone made, only what the edge saw."""
    phases: dict[str, int] = {}
    sent_ns = 0
    for child in root.children:
        if is_phase(child):
            word = phase_word(child)
            phases[word] = phases.get(word, 0) + child.duration_ns
            sent_ns += _whole(child.span.attributes.get("edge.send_ns"))
    if not phases:
        return _call_timings(root)
    left_ns = root.duration_ns
    shares: dict[str, int] = {}
    for word in ("dns", "tcp", "tls", "http", "body"):
        # Phases of one phone follow each other; where a trace claims otherwise, the sum still holds.
        shares[word] = min(phases.get(word, 0), left_ns)
        left_ns -= shares[word]
    sent_ns = min(sent_ns, shares["http"])
    has_connected = not phases.keys().isdisjoint({"tcp", "tls"})
    return {
        "blocked": _ms(left_ns),
        "dns": _phase(shares["dns"] if "dns" in phases else None),
        "connect": _phase(shares["tcp"] + shares["tls"] if has_connected else None),
        "ssl": _phase(shares["tls"] if "tls" in phases else None),
        "send": _ms(sent_ns),
        "wait": _ms(shares["http"] - sent_ns),
        "receive": _ms(shares["body"]),
    }


def _call_timings(node: Node) -> dict[str, float]:
    # A service's client stamps the whole call: how much of it was sending nobody knows.
    unknown = float(NOT_KNOWN)
    return {
        "blocked": unknown,
        "dns": unknown,
        "connect": unknown,
        "ssl": unknown,
        "send": 0.0,
        "wait": _ms(node.duration_ns),
        "receive": 0.0,
    }


def _carriers(node: Node) -> list[Span]:
    """Who may know something of this call: itself, its phases, and who answered it."""
    phases = [child for child in node.children if is_phase(child)]
    answerers = [child for one in (node, *phases) for child in one.children if child.span.kind == SERVER]
    # DNS answers the phone as well, and knows nothing of HTTP.
    return [one.span for one in (node, *phases, *answerers) if one.span.service != "edge-dns"]


def _url(node: Node) -> str:
    known = _text(node.span, "url.full")
    if known:
        return known
    carriers = _carriers(node)
    host = _text(node.span, "server.address") or "edge"
    scheme = _first(carriers, "url.scheme") or "http"
    query = _first(carriers, "url.query")
    path = _first(carriers, "url.path") or "/"
    return f"{scheme}://{host}{path}" + (f"?{query}" if query else "")


def _peer(node: Node) -> str:
    tcp = [child.span for child in node.children if is_phase(child)]
    address = _first(tcp, "network.peer.address") or _text(node.span, "server.address")
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _headers(carriers: list[Span], prefix: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for span in carriers for name, value in headers_of(span, prefix)]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _number(carriers: list[Span], key: str) -> int:
    return next((value for one in carriers if isinstance(value := one.attributes.get(key), int)), NOT_KNOWN)


def _first(carriers: list[Span], key: str) -> str:
    return next((value for one in carriers if (value := _text(one, key))), "")


def _text(span: Span, key: str) -> str:
    value = span.attributes.get(key)
    return "" if value is None else str(value)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _phase(ns: int | None) -> float:
    return float(NOT_KNOWN) if ns is None else _ms(ns)


def _ms(ns: int) -> float:
    return ns / 1e6


def _moment(unix_ns: int) -> str:
    # ISO 8601 as the spec asks, to the microsecond; nanoseconds would break readers.
    return (_EPOCH + timedelta(microseconds=unix_ns // 1000)).isoformat(timespec="microseconds")
