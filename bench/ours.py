"""The edge as a contender: one L4, one L7, every stage on.  [I/O]

Started by its own supervisors like any edge, in a run directory of its own, with
the benchmark's origin as the one cluster.  Billed are the distributor and the
worker together, because a peer does the work of both in one process.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jwt

from bench.contender import MEASURED_CPU, OTHER_CPU, Running, spawn, stop
from edge.cli.hub import ask
from edge.cli.operate import listening
from edge.common.errors import LinkLost

ADDRESS = "127.0.9.1"
READY_TIMEOUT_S = 20.0
_TOML = """
domain = "i.edge.test"
https-port = 0
http-port = 0
console = "127.0.0.1:0"
[control]
[dns]
listen = "127.0.0.1:0"
[[pop]]
name = "bench"
address = "{address}"
place = {{ north = 0.0, east = 0.0 }}
l4 = 1
l7 = 1
[l4.admission]
source-rate-per-s = 1000000.0
source-burst = 1000000
source-connections-max = 100000
rate-per-s = 1000000.0
burst = 1000000
[waf]
mode = "{waf}"
rules = {rules}
embedded = {embedded}
ban-after = 1000000
[[limit]]
name = "source"
key = "source"
rate-per-s = 1000000.0
burst = 1000000
[[limit]]
name = "account"
key = "account"
rate-per-s = 1000000.0
burst = 1000000
[[cluster]]
name = "origin"
endpoints = ["127.0.0.1:{origin}"]
connections-max = 10000
requests-max = 20000
[cluster.health]
path = "/"
[[route]]
name = "hot"
path = "/*"
cluster = "origin"
auth = "required"
limits = ["source", "account"]
body-bytes-max = 8_388_608
[[route]]
name = "cached"
path = "/cached/*"
cluster = "origin"
auth = "public"
cache = true
limits = ["source"]
{extra}
"""


@contextmanager
def edge(
    folder: Path,
    origin_port: int,
    *,
    waf: str = "block",
    rules: tuple[str, ...] = (),
    embedded: bool = True,
    extra: str = "",
) -> Iterator[Running]:
    """L4 and L7 of ours before the origin."""
    folder.mkdir(parents=True, exist_ok=True)
    run_dir = folder / "run"
    configuration = folder / "edge.toml"
    quoted = "[" + ", ".join(f'"{rule}"' for rule in rules) + "]"
    text = _TOML.format(
        address=ADDRESS,
        origin=origin_port,
        waf=waf,
        rules=quoted,
        embedded=str(embedded).lower(),
        extra=extra,
    )
    configuration.write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    environment |= {"EDGE_CONFIG": str(configuration), "EDGE_RUN_DIR": str(run_dir)}
    parents = []
    try:
        for tier, cpu in (("control", OTHER_CPU), ("l7", MEASURED_CPU), ("l4", MEASURED_CPU)):
            command = [sys.executable, "-m", "edge.supervise", tier]
            parents.append(spawn(command, folder, cpu, environment))
        pids = _await_live(run_dir, {"l7-bench-1", "l4-bench-a"})
        address = listening(run_dir)["l4-bench-a"]["https"]
        yield Running(f"https://{address}", pids, {"Cookie": f"edge_session={_session(run_dir)}"})
    finally:
        for parent in reversed(parents):
            stop(parent)


def _await_live(run_dir: Path, names: set[str]) -> list[int]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(LinkLost):
            live = {m["name"]: m["pid"] for m in ask(run_dir, "status") if m.get("state") == "live"}
            if names <= live.keys():
                return [live[name] for name in sorted(names)]
        time.sleep(0.05)
    raise TimeoutError(f"the edge did not come up; see {run_dir.parent}/*.log")


def _session(run_dir: Path) -> str:
    now = int(time.time())
    claims = {"iss": "edge-login", "aud": "edge", "sub": "1", "name": "ada", "iat": now, "exp": now + 86_400}
    key = (run_dir / "keys" / "session-1.pem").read_bytes()
    return jwt.encode(claims | {"jti": "bench"}, key, algorithm="EdDSA", headers={"kid": "1"})
