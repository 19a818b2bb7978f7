"""Which work is compared, among whom, and what does each row prove?  [I/O]

Each row is a function: it starts its contenders, lets them take turns for as
many rounds as asked, and returns a `Row`.  CPU is read before and after each
turn, so start-up is not billed.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import ours
from bench.contender import Contender, Running
from bench.load import Seen, holding, novel_requests, posted, wrk
from bench.machine import cpu_s, pss_kib
from bench.peers import haproxy, nginx, pythons
from bench.table import Row
from edge.cli.hub import ask
from edge.cli.operate import listening

HOST = "i.edge.test"
# Enough to tell them from what a process allocates anyway, below the usual limit of 1,024 descriptors.
_IDLE_CONNECTIONS = 500


@dataclass(slots=True)
class Bench:
    """What all rows share: where, how long, how often, and the keys."""

    folder: Path
    rounds: int
    seconds: float
    origin_port: int
    certificate: Path
    key: Path
    pair: Path  # both in one file, as HAProxy wants them

    def under(self, name: str) -> Path:
        """A folder for one contender."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        return folder

    # -- contenders -----------------------------------------------------------------

    def edge(self, name: str = "edge", **options: object) -> Contender:
        """Ours, every stage on."""
        start = partial(ours.edge, self.under(f"{name}-run"), self.origin_port, **options)  # type: ignore[arg-type]
        return Contender(name, lambda folder: start())

    def haproxy(self, name: str = "haproxy", features: dict[str, str] | None = None) -> Contender:
        """HAProxy with TLS."""
        start = partial(
            haproxy.proxy, origin_port=self.origin_port, certificate=self.pair, features=features or {}
        )
        return Contender(name, start, haproxy.installed())

    def nginx(
        self, name: str = "nginx", features: dict[str, str] | None = None, modules: str = ""
    ) -> Contender:
        """nginx with TLS."""
        start = partial(
            nginx.proxy,
            origin_port=self.origin_port,
            certificate=self.certificate,
            key=self.key,
            features=features or {},
            modules=modules,
        )
        return Contender(name, start, nginx.installed())

    # -- the measurement ------------------------------------------------------------

    def compare(self, row: Row, contenders: list[Contender], load: Callable[[Running], Seen]) -> Row:
        """Rounds of `load` over all contenders, in turn."""
        with ExitStack() as stack:
            running: dict[str, Running] = {}
            for contender in contenders:
                if contender.why_absent:
                    row.notes[contender.name] = contender.why_absent
                    continue
                try:
                    started = contender.start(self.under(f"{row.name}-{contender.name}"))
                    running[contender.name] = stack.enter_context(started)
                except (OSError, TimeoutError, subprocess.CalledProcessError) as error:
                    row.notes[contender.name] = f"did not start: {error}"
            for contest in running.values():
                load(contest)  # once for nothing: caches, pools and memos as in everyday life
            for _ in range(self.rounds):
                for name, contest in running.items():
                    before = cpu_s(contest.pids)
                    seen = load(contest)
                    spent = cpu_s(contest.pids) - before
                    if seen.errors or not seen.requests:
                        row.notes[name] = f"{seen.errors} errors of {seen.requests} "
                    if seen.requests:
                        rate = seen.requests / seen.seconds
                        row.add(name, spent * 1e6 / seen.requests, seen.p99_us, rate)
        return row

    def http(
        self, path: str, *, connections: int = 32, script: str = "", headers: dict[str, str] | None = None
    ) -> Callable[[Running], Seen]:
        """A load of GETs for `path`."""

        def load(contest: Running) -> Seen:
            told = {"Host": HOST, "Cookie": "none=1", "User-Agent": "bench/1", "Accept": "*/*"}
            return wrk(
                contest.url + path,
                connections=connections,
                seconds=self.seconds,
                script=script,
                headers=told | (headers or {}) | contest.headers,
            )

        return load


def l7_hot(bench: Bench) -> Row:
    """Keep-alive HTTPS, 32 connections, 600-byte JSON."""
    row = Row(
        "l7-hot",
        "µs CPU per request",
        "Kept-alive HTTPS over 32 connections, 600 bytes of JSON; the edge with its whole pipeline (cookie, "
        "WAF, two limits, access log, trace record). The same request again and again: the memo's best case.",
    )
    pythonic = [
        Contender(
            "aiohttp+uvloop",
            partial(
                pythons.aiohttp, origin_port=bench.origin_port, certificate=bench.certificate, key=bench.key
            ),
        ),
        Contender("mitmproxy", partial(pythons.mitmproxy, origin_port=bench.origin_port, pair=bench.pair)),
    ]
    contenders = [
        bench.edge(),
        bench.haproxy(),
        bench.haproxy("haproxy+features", haproxy.FEATURES),
        bench.nginx(),
        bench.nginx("nginx+features", nginx.FEATURES),
        *pythonic,
    ]
    return bench.compare(row, contenders, bench.http("/feed"))


def l7_cold(bench: Bench) -> Row:
    """Every request new."""
    row = Row(
        "l7-cold",
        "µs CPU per request",
        "As l7-hot, but no two requests have the same query, cookie or traceparent: what the memo is worth "
        "when it finds only parts.",
    )
    contenders = [
        bench.edge(),
        bench.haproxy(),
        bench.haproxy("haproxy+features", haproxy.FEATURES),
        bench.nginx(),
    ]
    return bench.compare(row, contenders, bench.http("/feed", script=novel_requests("/feed")))


def l7_trace(bench: Bench) -> Row:
    """Every request traced."""
    row = Row(
        "l7-trace", "µs CPU per request", "l7-hot with a traceparent and a wish to be kept on every request."
    )
    hot, traced = bench.edge("edge-untraced"), bench.edge()
    marked = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-03", "edge-trace": "1"}

    def load(contest: Running) -> Seen:
        extra = marked if contest.url == urls["edge"] else {}
        return bench.http("/feed", headers=extra)(contest)

    urls: dict[str, str] = {}
    with ExitStack() as stack:
        # Both are ours, so each gets a run directory and is told apart by its address.
        untraced = stack.enter_context(hot.start(bench.folder))
        with_trace = stack.enter_context(traced.start(bench.folder))
        urls["edge"] = with_trace.url
        for contest in (untraced, with_trace):
            load(contest)
        for _ in range(bench.rounds):
            for name, contest in (("edge-untraced", untraced), ("edge", with_trace)):
                before = cpu_s(contest.pids)
                seen = load(contest)
                spent = cpu_s(contest.pids) - before
                row.add(name, spent * 1e6 / seen.requests, seen.p99_us, seen.requests / seen.seconds)
    return row


def l7_cache(bench: Bench, size: str) -> Row:
    """A cache hit."""
    row = Row(f"l7-cache-{size}", "µs CPU per request", f"A hit in the cache: {size}.")
    contenders = [bench.edge(), bench.nginx("nginx", nginx.CACHE), bench.haproxy("haproxy", haproxy.CACHE)]
    return bench.compare(row, contenders, bench.http(f"/cached/{size}"))


def l7_waf(bench: Bench, *, novel: bool) -> Row:
    """The same Core Rule Set on both sides."""
    rules = str(nginx.CORE_RULES / "rules")
    row = Row(
        f"l7-waf-{'cold' if novel else 'hot'}",
        "µs CPU per request",
        "A GET under Debian's Core Rule Set, paranoia 1, beside nginx with libmodsecurity: "
        + ("no two requests alike." if novel else "the same request again, which our memory answers."),
    )
    contenders = [
        Contender(
            "edge",
            lambda folder: ours.edge(folder, bench.origin_port, rules=(rules,), embedded=False),
            nginx.modsecurity_installed(),
        ),
        Contender(
            "nginx+modsecurity",
            lambda folder: nginx.firewall(folder, bench.origin_port, bench.certificate, bench.key),
            nginx.modsecurity_installed(),
        ),
    ]
    script = novel_requests("/feed") if novel else ""
    return bench.compare(row, contenders, bench.http("/feed", connections=8, script=script))


def idle(bench: Bench) -> Row:
    """What a phone that only holds on costs."""
    row = Row(
        "idle",
        "KiB per connection",
        "Memory (proportional set) per kept-alive TLS connection that has asked once, over 500 of them.",
    )
    contenders = [bench.edge(), bench.haproxy(), bench.nginx()]
    with ExitStack() as stack:
        for contender in contenders:
            if contender.why_absent:
                row.notes[contender.name] = contender.why_absent
                continue
            contest = stack.enter_context(contender.start(bench.under(f"idle-{contender.name}")))
            before = pss_kib(contest.pids)
            with holding(contest.url, _IDLE_CONNECTIONS, {"Host": HOST, **contest.headers}):
                row.add(contender.name, (pss_kib(contest.pids) - before) / _IDLE_CONNECTIONS)
    return row


def l7_post(bench: Bench, size: int) -> Row:
    """A body of `size` bytes."""
    name = "4k" if size < 100_000 else "1m"
    # The firewall reads a whole JSON body and refuses one of 1 MB; an upload of that size is a picture.
    kind = "application/json" if name == "4k" else "image/jpeg"
    row = Row(
        f"l7-post-{name}", "µs CPU per request", f"A POST of {size} bytes of {kind}; JSON is inspected."
    )
    body = bench.folder / f"body-{name}.json"
    body.write_text('{"text":"' + "lorem ipsum " * ((size - 12) // 12) + '"}')
    contenders = [bench.edge(), bench.haproxy(), bench.nginx()]
    load = bench.http(
        "/feed", connections=8, script=posted("/feed", body, kind), headers={"Sec-Fetch-Site": "same-origin"}
    )
    return bench.compare(row, contenders, load)


def l7_large(bench: Bench) -> Row:
    """Answers of 1 MB."""
    row = Row("l7-large", "µs CPU per request", "Answers of 1 MiB: what copying and encrypting cost.")
    contenders = [bench.edge(), bench.haproxy(), bench.nginx()]
    return bench.compare(row, contenders, bench.http("/large", connections=8))


def tls_full(bench: Bench) -> Row:
    """A new connection per request."""
    row = Row(
        "tls-full",
        "µs CPU per connection",
        "A new TCP connection and full TLS handshake for each request (ECDSA P-256); the edge pays for L4 "
        "and L7.",
    )
    contenders = [bench.edge(), bench.haproxy(), bench.nginx()]
    return bench.compare(row, contenders, bench.http("/feed", connections=8, headers={"Connection": "close"}))


def l4_connect(bench: Bench) -> Row:
    """A new TCP connection, one small answer, close."""
    row = Row(
        "l4-connect",
        "µs CPU of the L4 process per connection",
        "A new TCP connection, one small plain answer (a redirect), close. Billed is the distributor alone "
        "against HAProxy in TCP mode: the edge's worker takes the connection over and answers by itself.",
    )

    tcp = partial(haproxy.proxy, origin_port=bench.origin_port, mode="tcp")
    contenders = [
        Contender("edge", partial(_distributor, bench)),
        Contender("haproxy", tcp, haproxy.installed()),
    ]
    return bench.compare(
        row, contenders, bench.http("/feed", connections=16, headers={"Connection": "close"})
    )


@contextmanager
def _distributor(bench: Bench, folder: Path) -> Iterator[Running]:
    """The edge's plain listener; only the distributor is billed."""
    with ours.edge(folder, bench.origin_port):
        run_dir = folder / "run"
        address = listening(run_dir)["l4-bench-a"]["http"]
        pids = [m["pid"] for m in ask(run_dir, "status") if m["tier"] == "l4"]
        yield Running(f"http://{address}", pids)


ROWS: dict[str, Callable[[Bench], Row]] = {
    "l4-connect": l4_connect,
    "l7-hot": l7_hot,
    "l7-cold": l7_cold,
    "l7-trace": l7_trace,
    "l7-cache-small": partial(l7_cache, size="small"),
    "l7-cache-big": partial(l7_cache, size="big"),
    "l7-waf-hot": partial(l7_waf, novel=False),
    "l7-waf-cold": partial(l7_waf, novel=True),
    "l7-post-4k": partial(l7_post, size=4096),
    "l7-post-1m": partial(l7_post, size=1 << 20),
    "l7-large": l7_large,
    "tls-full": tls_full,
    "idle": idle,
}
QUICK = ("l4-connect", "l7-hot", "l7-cold", "tls-full")
