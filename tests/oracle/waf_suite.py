"""How are the Core Rule Set's own regression tests read and played in-process?

The suite is data of the coreruleset project (YAML, one file per rule) and is never part of this repository;
whoever wants these tests says where it is with EDGE_CRS_DIR (the directory with `rules/`) and
EDGE_CRS_TESTS_DIR (the one with `REQUEST-*/`).  Requests are completed the way go-ftw does it, because the
expectations were written against that.

Only half of the suite is used here: the tests whose `sha256("<rule id>-<test id>")` ends in an even
hexadecimal digit.  The other half stays unseen, so that it can judge."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus

import yaml

from edge.l7.waf.request import Headers, WafRequest, WafResponse


@dataclass(frozen=True)
class Exchange:
    """One stage: the request, the pretended answer, and what the log has to say."""

    request: WafRequest
    body: bytes
    answer: WafResponse | None
    expect: frozenset[int]
    refuse: frozenset[int]
    log_has: str
    log_lacks: str
    raw: bool


@dataclass(frozen=True)
class Case:
    """One test of the suite."""

    rule_id: int
    test_id: int
    exchanges: tuple[Exchange, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.rule_id}-{self.test_id}"


def ours(rule_id: int, test_id: int) -> bool:
    """Whether this test belongs to the half that may be looked at."""
    return int(hashlib.sha256(f"{rule_id}-{test_id}".encode()).hexdigest()[-1], 16) % 2 == 0


def cases(directory: Path) -> Iterator[Case]:
    """Every test of our half."""
    for file in sorted([*directory.rglob("*.yaml"), *directory.rglob("*.yml")]):
        document = yaml.load(
            file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        if not isinstance(document, dict) or "tests" not in document:
            continue
        for test in document["tests"]:
            rule_id, test_id = _named(document, test)
            if ours(rule_id, test_id):
                stages = tuple(_exchange(stage.get("stage", stage)) for stage in test["stages"])
                yield Case(rule_id, test_id, stages)


def _named(document: dict[str, Any], test: dict[str, Any]) -> tuple[int, int]:
    """CRS 4 has both numbers as keys, CRS 3 a title: `920330-1`."""
    if "rule_id" in document:
        return document["rule_id"], test["test_id"]
    found = re.match(r"(\d+)\D+(\d+)", str(test["test_title"]))
    return (int(found[1]), int(found[2])) if found else (0, 0)


_LOGGED_ID = re.compile(r'id \\?"(\d+)')


def _ids(text: object) -> frozenset[int]:
    return frozenset(map(int, _LOGGED_ID.findall(str(text))))


_REPEAT = re.compile(r'\{\{\s*"((?:[^"\\]|\\.)*)"\s*\|\s*repeat\s+(\d+)\s*\}\}')


def _expanded(text: str) -> str:
    return _REPEAT.sub(lambda found: found[1].encode().decode("unicode_escape") * int(found[2]), text)


def _exchange(stage: dict[str, Any]) -> Exchange:
    given, output = stage["input"], stage.get("output") or {}
    log = output.get("log") or {}
    request, body, raw = _request(given)
    return Exchange(
        request=request,
        body=body,
        answer=_answer(request, body),
        expect=frozenset(log.get("expect_ids") or ()) | _ids(output.get("log_contains", "")),
        refuse=frozenset(log.get("no_expect_ids") or ()) | _ids(output.get("no_log_contains", "")),
        log_has=log.get("match_regex") or "",
        log_lacks=log.get("no_match_regex") or "",
        raw=raw,
    )


def _request(given: dict[str, Any]) -> tuple[WafRequest, bytes, bool]:
    if given.get("encoded_request"):
        return *_parsed(base64.b64decode(given["encoded_request"])), True
    headers = {
        str(k): _expanded("" if v is None else str(v)) for k, v in (given.get("headers") or {}).items()
    }
    data = given.get("data")
    body = (
        b""
        if data is None
        else _expanded(data if isinstance(data, str) else "\n".join(data)).encode("utf-8", "surrogateescape")
    )
    complete = given.get("autocomplete_headers", not given.get("stop_magic", False))
    lowered = {name.lower(): name for name in headers}
    if complete and body:
        kind = headers[lowered["content-type"]] if "content-type" in lowered else ""
        if not kind:
            kind = headers["Content-Type"] = "application/x-www-form-urlencoded"
        if kind == "application/x-www-form-urlencoded":
            body = _query_escaped(body)
        if kind.startswith("multipart/form-data;"):
            body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if complete:
        if "connection" not in lowered:
            headers["Connection"] = "close"
        bodied = body or given.get("method") in {"POST", "PUT", "PATCH"}
        if bodied and not lowered.keys() & {"content-length", "transfer-encoding"}:
            headers["Content-Length"] = str(len(body))
    return (
        WafRequest(
            client="127.0.0.1",
            method=str(given.get("method", "GET")),
            target=_expanded(str(given.get("uri", "/"))).encode("utf-8", "surrogateescape"),
            protocol=str(given.get("version", "HTTP/1.1")),
            headers=tuple(
                (k.lower().encode(), v.strip().encode("utf-8", "surrogateescape")) for k, v in headers.items()
            ),
        ),
        body,
        not complete,
    )


def _query_escaped(body: bytes) -> bytes:
    """As go-ftw: data that is not escaped yet is escaped, key by key."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        if unquote_plus(text, errors="surrogateescape") != text or ";" in text:
            return body
    except ValueError:
        return body
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    out: dict[str, list[str]] = {}
    for key, value in pairs:
        out.setdefault(key, []).append(value)
    return "&".join(
        f"{quote_plus(key, errors='surrogateescape')}={quote_plus(value, errors='surrogateescape')}"
        for key in sorted(out)
        for value in out[key]
    ).encode()


def _parsed(raw: bytes) -> tuple[WafRequest, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    method, _, rest = lines[0].partition(b" ")
    target, _, protocol = rest.rpartition(b" ")
    headers: Headers = tuple(
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(b":") for line in lines[1:])
    )
    return WafRequest(
        "127.0.0.1", method.decode("latin-1"), target, protocol.decode("latin-1"), headers
    ), body


def _answer(request: WafRequest, body: bytes) -> WafResponse | None:
    if request.target.partition(b"?")[0] != b"/reflect" or not body:
        return None
    try:
        said = json.loads(body)
    except ValueError:
        return None
    content = (
        base64.b64decode(said["encodedBody"])
        if said.get("encodedBody")
        else str(said.get("body", "")).encode()
    )
    headers = tuple((k.lower().encode(), str(v).encode()) for k, v in (said.get("headers") or {}).items())
    return WafResponse(int(said.get("status", 200)), "HTTP/1.1", headers, content)


# What crs-setup.conf says in the project's own test set-up.
TEST_VARIABLES: tuple[tuple[bytes, bytes], ...] = (
    (b"blocking_paranoia_level", b"4"),
    (b"detection_paranoia_level", b"4"),
    (b"paranoia_level", b"4"),
    (b"executing_paranoia_level", b"4"),
    (b"reporting_level", b"4"),
    (b"crs_validate_utf8_encoding", b"1"),
    (b"arg_name_length", b"100"),
    (b"arg_length", b"400"),
    (b"total_arg_length", b"6400"),
    (b"max_num_args", b"255"),
    (b"max_file_size", b"64100"),
    (b"combined_file_sizes", b"65535"),
)
