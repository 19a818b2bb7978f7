"""Requests: hot, cold, traced, cached, inspected, posted, large.  [I/O]"""

from functools import partial

from bench import ours
from bench.contender import Contender
from bench.load import novel_requests, posted
from bench.measure import Bench
from bench.peers import haproxy, nginx, pythons
from bench.table import Row

PER_REQUEST = "µs CPU per request"


def hot(bench: Bench) -> Row:
    """Keep-alive HTTPS, 32 connections, 600-byte JSON."""
    row = Row(
        "l7-hot",
        PER_REQUEST,
        "Kept-alive HTTPS over 32 connections, 600 bytes of JSON, the same request again and again. The edge "
        "has its whole pipeline on: signed session, firewall, two limits, trace, counters, access log. "
        "HAProxy and nginx stand here twice, plain and with the nearest equal features (a limit per source "
        "and one per session, forwarding headers, an id, a log line).",
        "what a worker costs when every memory of it helps, as for a phone that polls.",
        "anything about first requests (l7-cold) or a busy worker's latency (p99-at-60); the peers check "
        "neither a session's signature nor for attacks.",
    )
    python = partial(
        pythons.aiohttp, origin_port=bench.origin_port, certificate=bench.certificate, key=bench.key
    )
    mitmproxy = partial(pythons.mitmproxy, origin_port=bench.origin_port, pair=bench.pair)
    contenders = [
        bench.edge(),
        bench.haproxy(),
        bench.haproxy("haproxy+features", haproxy.FEATURES),
        bench.nginx(),
        bench.nginx("nginx+features", nginx.FEATURES),
        Contender("aiohttp+uvloop", python),
        Contender("mitmproxy", mitmproxy, "left out of a quick run" if bench.quick else ""),
    ]
    return bench.compare(row, contenders, bench.http("/feed"))


def cold(bench: Bench) -> Row:
    """Every request new."""
    row = Row(
        "l7-cold",
        PER_REQUEST,
        "As l7-hot, but no two requests have the same query, cookie or traceparent.",
        "what is left when only parts of a request are known (header lines, the session).",
        "a worst case: the path, the browser's lines and the session stay the same.",
    )
    contenders = [
        bench.edge(),
        bench.haproxy(),
        bench.haproxy("haproxy+features", haproxy.FEATURES),
        bench.nginx(),
        bench.nginx("nginx+features", nginx.FEATURES),
    ]
    return bench.compare(row, contenders, bench.http("/feed", script=novel_requests("/feed")))


def trace(bench: Bench) -> Row:
    """Every request traced."""
    row = Row(
        "l7-trace",
        PER_REQUEST,
        "l7-hot with a traceparent and a wish to be kept (`edge-trace: 1`) on every request, beside a second "
        "edge that is not asked to.",
        "what keeping a trace of everything costs a worker.",
        "what reading them costs: traces are pulled when somebody asks.",
    )
    marked = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-03", "edge-trace": "1"}
    loads = {"edge": bench.http("/feed", headers=marked), "edge untraced": bench.http("/feed")}
    return bench.compare(row, [bench.edge(), bench.edge("edge untraced")], loads)


def cache(bench: Bench, size: str, told: str) -> Row:
    """A cache hit."""
    row = Row(
        f"l7-cache-{size}",
        PER_REQUEST,
        f"A hit in the cache of {told}; the route is public, so nobody checks a session.",
        "what an answer from memory costs, with everything else on.",
        "anything about misses, revalidation or a cache larger than memory.",
    )
    contenders = [
        bench.edge(),
        bench.nginx("nginx cache", nginx.CACHE),
        bench.haproxy("haproxy cache", haproxy.CACHE),
    ]
    return bench.compare(row, contenders, bench.http(f"/cached/{size}"))


def waf(bench: Bench, *, novel: bool) -> Row:
    """The same Core Rule Set on both sides."""
    rules = str(nginx.CORE_RULES / "rules")
    row = Row(
        f"l7-waf-{'cold' if novel else 'hot'}",
        PER_REQUEST,
        "A typical GET under Debian's Core Rule Set, paranoia 1, beside nginx with libmodsecurity and the "
        "same files: "
        + ("no two requests alike." if novel else "the same request again, which our memory answers."),
        "what a whole rule set costs "
        + ("on requests never seen before." if novel else "when most requests have been seen before."),
        "that both find the same attacks: the tests of the firewall do that.",
    )
    edge = partial(ours.edge, origin_port=bench.origin_port, rules=(rules,), embedded=False)
    firewall = partial(
        nginx.firewall, origin_port=bench.origin_port, certificate=bench.certificate, key=bench.key
    )
    absent = nginx.modsecurity_installed()
    contenders = [
        Contender("edge crs", edge, absent),
        Contender("nginx+modsecurity", firewall, absent),
    ]
    row.ours = ("edge crs",)
    script = novel_requests("/feed") if novel else ""
    return bench.compare(row, contenders, bench.http("/feed", connections=8, script=script))


def post(bench: Bench, size: int) -> Row:
    """A body of `size` bytes."""
    name = "4k" if size < 100_000 else "1m"
    # The firewall reads a whole JSON body and refuses one of 1 MB; an upload of that size is a picture.
    kind = "application/json" if name == "4k" else "image/jpeg"
    row = Row(
        f"l7-post-{name}",
        PER_REQUEST,
        f"A POST of {size:,} bytes of {kind} over 8 connections; the service answers without reading it "
        "first.",
        "what inspecting a JSON body costs us (the peers pass it on unseen)."
        if name == "4k"
        else "what passing an upload through costs, TLS included.",
        "a slow uploader's cost in memory."
        if name == "4k"
        else "anything about inspection: the firewall looks at the head and the beginning of a picture only.",
    )
    body = bench.folder / f"body-{name}"
    # What says that it is a picture has to begin like one, or it is read as text.
    begin, end = ('{"text":"', '"}') if name == "4k" else ("\xff\xd8\xff\xe0\0\x10JFIF\0", "")
    text = ("lorem ipsum " * (size // 12 + 1))[: size - len(begin) - len(end)]
    body.write_text(begin + text + end, "latin-1")
    load = bench.http(
        "/feed", connections=8, script=posted("/feed", body, kind), headers={"Sec-Fetch-Site": "same-origin"}
    )
    return bench.compare(row, [bench.edge(), bench.haproxy(), bench.nginx()], load)


def large(bench: Bench) -> Row:
    """Answers of 1 MB."""
    row = Row(
        "l7-large",
        PER_REQUEST,
        "Answers of 1 MiB over 8 connections.",
        "what copying and encrypting cost.",
        "throughput over a real network card.",
    )
    return bench.compare(
        row, [bench.edge(), bench.haproxy(), bench.nginx()], bench.http("/large", connections=8)
    )
