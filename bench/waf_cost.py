"""What does the firewall cost, beside libmodsecurity on the same machine?  [I/O]

    python -m bench.waf_cost /usr/share/modsecurity-crs

CPU time of one thread per request, minimum and median, for our engine and for Debian's libmodsecurity by
ctypes with the same rules at paranoia 1: a head seen before, one with a new query and cookie, one in which
every line is new, a form, a JSON body, and 8 kB made to be dear.  The second half needs libmodsecurity3."""

import ctypes
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset, rule_files
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import Settings

ROUNDS = 300
HEADERS = (
    (b"host", b"i.edge.test"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"referer", b"https://i.edge.test/feed"),
    (b"cache-control", b"max-age=0"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
    (b"sec-fetch-dest", b"document"),
    (b"connection", b"keep-alive"),
)


def get(number: int) -> WafRequest:
    cookie = (b"cookie", b"edge_session=eyJhbGciOiJFZERTQSJ9.%d.c2ln; theme=dark; lang=en" % number)
    target = b"/feed/timeline?page=%d&size=20&q=hello+world&sort=recent" % number
    return WafRequest("127.0.0.1", "GET", target, "HTTP/1.1", (*HEADERS, cookie))


def form(number: int) -> tuple[WafRequest, bytes]:
    body = b"name=Ada+Lovelace&email=ada%%40example.com&city=London&note=see+you+at+%d&age=36&ok=on" % number
    about = (
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"%d" % len(body)),
    )
    return WafRequest("127.0.0.1", "POST", b"/post", "HTTP/1.1", HEADERS + about), body


def stranger(number: int) -> WafRequest:
    """A head in which every line is new, as from a phone that nobody has seen."""
    headers = [(name, b"%b %d" % (value, number)) for name, value in HEADERS]
    return WafRequest("127.0.0.1", "GET", b"/p%d/q?a=%d" % (number, number), "HTTP/1.1", tuple(headers))


WORDS = [
    "we",
    "went",
    "up",
    "to",
    "the",
    "lake",
    "in",
    "morning",
    "fog",
    "and",
    "it",
    "was",
    "so",
    "quiet",
    "that",
    "I'd",
    "swear",
    "even",
    "birds",
    "slept",
    "(mostly);",
    "later:",
    "sun,",
    "21",
    "degrees,",
    "coffee",
    "&",
    "cake",
    "for",
    "two",
    "-",
    "see",
    "you",
    "there",
    "on",
    "Friday,",
    "Ada",
]


def message(number: int) -> tuple[WafRequest, bytes]:
    """4 kB of JSON, no two alike."""
    dice = random.Random(number)
    items = [{"id": dice.randrange(10**9), "text": " ".join(dice.choices(WORDS, k=8))} for _ in range(55)]
    return _posted(b"application/json", json.dumps({"items": items}).encode())


# What attacks are made of.
PIECES = (
    b"' or 1=1--", b"<script>", b"../", b"/etc/passwd", b";cat ", b"${jndi:ldap://x}", b"union select",
    b"%3c", b"%2e%2e%2f", b"&lt;", b"\\u003c", b"/*", b"*/", b"sleep(5)", b"%00", b"%0a", b"onload=",
    b"{{7*7}}", b"<?php",
)  # fmt: skip


def hostile(number: int, size: int = 8192) -> tuple[WafRequest, bytes]:
    """Pieces of attacks, no two bodies alike."""
    body = b"".join(random.Random(number).choices(PIECES, k=size // 4))
    return _posted(b"application/x-www-form-urlencoded", b"t=" + body.replace(b"&", b"%26")[: size - 2])


def many(number: int, size: int = 8192) -> tuple[WafRequest, bytes]:
    """Arguments, each of which is an attack."""
    dice = random.Random(number)
    pairs = [b"a%d=%b" % (one, dice.choice(PIECES).replace(b"&", b"%26")) for one in range(size // 9)]
    return _posted(b"application/x-www-form-urlencoded", b"&".join(pairs)[:size])


def _posted(kind: bytes, body: bytes) -> tuple[WafRequest, bytes]:
    about = ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    return WafRequest("127.0.0.1", "POST", b"/post", "HTTP/1.1", HEADERS + about), body


class ModSecurity:
    """The few calls of libmodsecurity's C interface that one request takes."""

    def __init__(self, files: list[Path]) -> None:
        lib = self._lib = ctypes.CDLL("libmodsecurity.so.3")
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        lib.msc_init.restype = lib.msc_create_rules_set.restype = lib.msc_new_transaction.restype = pointer
        lib.msc_rules_add_file.argtypes = [pointer, text, ctypes.POINTER(text)]
        lib.msc_new_transaction.argtypes = [pointer, pointer, pointer]
        lib.msc_process_connection.argtypes = [pointer, text, ctypes.c_int, text, ctypes.c_int]
        lib.msc_process_uri.argtypes = [pointer, text, text, text]
        lib.msc_add_n_request_header.argtypes = [pointer, text, ctypes.c_size_t, text, ctypes.c_size_t]
        lib.msc_append_request_body.argtypes = [pointer, text, ctypes.c_size_t]
        for name in ("msc_process_request_headers", "msc_process_request_body", "msc_transaction_cleanup"):
            getattr(lib, name).argtypes = [pointer]
        self._engine = lib.msc_init()
        self._rules = lib.msc_create_rules_set()
        error = text()
        for file in files:
            if lib.msc_rules_add_file(self._rules, str(file).encode(), ctypes.byref(error)) < 0:
                raise SystemExit(f"libmodsecurity: {file}: {(error.value or b'').decode()}")

    def inspect(self, head: WafRequest, body: bytes) -> None:
        lib = self._lib
        transaction = lib.msc_new_transaction(self._engine, self._rules, None)
        lib.msc_process_connection(transaction, b"127.0.0.1", 40000, b"127.0.0.1", 80)
        lib.msc_process_uri(transaction, head.target, head.method.encode(), b"1.1")
        for name, value in head.headers:
            lib.msc_add_n_request_header(transaction, name, len(name), value, len(value))
        lib.msc_process_request_headers(transaction)
        if body:
            lib.msc_append_request_body(transaction, body, len(body))
        lib.msc_process_request_body(transaction)
        lib.msc_transaction_cleanup(transaction)


def cost(name: str, act: Callable[[int], object], rounds: int = ROUNDS) -> None:
    spent = []
    for number in range(rounds):
        began = time.thread_time()
        act(number)
        spent.append((time.thread_time() - began) * 1e6)
    low, middle, high = min(spent), statistics.median(spent), max(spent)
    print(f"{name:42} min {low:8.0f} us   median {middle:8.0f} us   max {high:8.0f} us")


def main(directory: Path) -> None:
    """Print one line per engine and request."""
    for label, sources, embedded in (("embedded rules", [], True), (directory.name, [directory], False)):
        began = time.thread_time()
        inspector = Inspector(
            load_ruleset(sources, Settings(), embedded=embedded), clock=time.monotonic, cpu=time.thread_time
        )
        inspector.prepare()
        print(f"{label}: load {time.thread_time() - began:.2f} s")
        _measure(label, inspector)
    with tempfile.TemporaryDirectory() as folder:
        engine = Path(folder) / "engine.conf"
        engine.write_text(
            "SecRuleEngine On\nSecRequestBodyAccess On\n"
            'SecAction "id:900990,phase:1,nolog,pass,setvar:tx.crs_setup_version=4280"\n'
        )
        try:
            other = ModSecurity([engine, *(file for file in rule_files(directory) if file.suffix == ".conf")])
        except OSError as error:
            raise SystemExit(f"no libmodsecurity here: {error}") from None
        cost("libmodsecurity: GET", lambda number: other.inspect(get(number), b""), 100)
        cost("libmodsecurity: form", lambda number: other.inspect(*form(number)), 100)
        cost("libmodsecurity: 4 kB of JSON", lambda number: other.inspect(*message(number)), 40)


def _measure(label: str, inspector: Inspector) -> None:
    def head(request: WafRequest) -> None:
        inspector.inspect_head(request, 0.0)

    def body(posted: tuple[WafRequest, bytes]) -> None:
        inspector.inspect_body(*posted, 0.0)

    for number in range(ROUNDS):  # the matchers build their automata on first sight
        head(get(-number))
        body(form(-number))
    for number in range(20):
        head(stranger(-number))
        body(message(-number))
        body(hostile(-number))
    gc.collect()
    gc.freeze()  # as a worker does
    seen = get(10_000)
    head(seen)
    cost(f"{label}: GET seen before", lambda number: head(seen))
    for name, make, rounds in (("new query and cookie", get, ROUNDS), ("every line new", stranger, ROUNDS)):
        heads = [make(number + 20_000) for number in range(rounds)]
        cost(f"{label}: GET, {name}", lambda number: head(heads[number]), rounds)  # noqa: B023
    for what, post, rounds in (
        ("form", form, ROUNDS),
        ("4 kB of JSON", message, 100),
        ("8 kB of pieces of attacks", hostile, 40),
        ("8 kB of attacks as arguments", many, 40),
        ("128 kB of pieces of attacks", lambda number: hostile(number, 128_000), 10),
        ("128 kB of attacks as arguments", lambda number: many(number, 128_000), 10),
    ):
        bodies = [post(number + 20_000) for number in range(rounds)]
        cost(f"{label}: {what}, never seen", lambda number: body(bodies[number]), rounds)  # noqa: B023


if __name__ == "__main__":
    main(Path(sys.argv[1]))
