"""The edge as a contender: one L4, one L7, every stage on.  [I/O]

Started by its own supervisors like any edge, in a run directory of its own, with
the benchmark's origin as the one cluster.  Billed are the distributor and the
worker together, because a peer does the work of both in one process.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import jwt

from bench.contender import MEASURED_CPU, OTHER_CPU, Running, spawn, stop
from edge.cli.hub import ask
from edge.cli.operate import listening
from edge.common.config_file import load
from edge.common.errors import LinkLost
from edge.l4 import links
from edge.supervise.formation import formation

REPOSITORY = Path(__file__).parents[1]
ADDRESS = "127.0.9.1"
# Fifteen processes on two cores need a few seconds.
READY_TIMEOUT_S = 30.0
# What the whole edge is not to do here: refuse, stand by, or take ports that somebody has.
_WHOLE = {
    "EDGE_HTTPS_PORT": "0",
    "EDGE_HTTP_PORT": "0",
    "EDGE_CONSOLE": '""',  # nobody looks
    "EDGE_DNS_LISTEN": "127.0.0.1:0",
    "EDGE_DNS_WORKERS": "1",
    "EDGE_L4_ADMISSION_SOURCE_RATE_PER_S": "1e6",
    "EDGE_L4_ADMISSION_SOURCE_BURST": "1000000",
    "EDGE_L4_ADMISSION_SOURCE_CONNECTIONS_MAX": "100000",
    "EDGE__POP__MUMBAI__L4": "1",
    "EDGE__POP__MUMBAI__L7": "1",
}
_TOML = """
domain = "i.edge.test"
https-port = 0
http-port = 0
console = "127.0.0.1:0"
[control]
[dns]
listen = "127.0.0.1:0"
workers = 1
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
mode = "block"
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
endpoints = {endpoints}
connections-max = 10000
requests-max = 20000
idle-timeout-s = {idle_timeout_s}
[cluster.health]
path = "/"
interval-s = {health_interval_s}
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
    rules: tuple[str, ...] = (),
    embedded: bool = True,
    endpoints: tuple[str, ...] = (),
    health_interval_s: float = 2.0,
    idle_timeout_s: float = 4.0,
    extra: str = "",
) -> Iterator[Running]:
    """L4 and L7 of ours before the origin, or before `endpoints`."""
    environment = _configured(
        folder,
        endpoints=_strings(endpoints or (f"127.0.0.1:{origin_port}",)),
        rules=_strings(rules),
        embedded=str(embedded).lower(),
        health_interval_s=health_interval_s,
        idle_timeout_s=idle_timeout_s,
        extra=extra,
    )
    where = {"control": OTHER_CPU, "l7": MEASURED_CPU, "l4": MEASURED_CPU}
    with _supervised(folder, environment, where, {"l7-bench-1", "l4-bench-a"}) as (run_dir, tiers):
        address = listening(run_dir)["l4-bench-a"]["https"]
        cookie = {"Cookie": f"edge_session={session(run_dir, 1)}"}
        yield Running(f"https://{address}", tiers["l4"] + tiers["l7"], cookie, tiers)


@contextmanager
def distributor(folder: Path, origin_port: int) -> Iterator[Running]:
    """The same edge by its plain listener, and only L4 is billed."""
    with edge(folder, origin_port) as whole:
        address = listening(folder / "run")["l4-bench-a"]["http"]
        yield Running(f"http://{address}", whole.tiers["l4"])


def worker_socket(folder: Path) -> Path:
    """Where the one worker of an edge in `folder` waits for its L4."""
    return links.worker_socket(folder / "run", "l7-bench-1")


@contextmanager
def l4_alone(folder: Path) -> Iterator[Running]:
    """Hub and L4 without a worker: somebody else waits at `worker_socket`."""
    nobody = {"endpoints": '["127.0.0.1:9"]', "rules": "[]", "embedded": "true", "extra": ""}
    environment = _configured(folder, health_interval_s=60.0, idle_timeout_s=4.0, **nobody)
    where = {"control": OTHER_CPU, "l4": MEASURED_CPU}
    with _supervised(folder, environment, where, {"l4-bench-a"}) as (run_dir, tiers):
        yield Running(f"tcp://{listening(run_dir)['l4-bench-a']['http']}", tiers["l4"])


@contextmanager
def with_services(folder: Path) -> Iterator[Running]:
    """The edge as `edge.toml` describes it: DNS, L4, L7, every service once, on free ports.

    Billed are DNS, L4 and L7; the services stand in `tiers` beside them.
    """
    config = load(REPOSITORY / "edge.toml", {})
    environment = _WHOLE | {
        f"EDGE__POP__{pop.name.upper()}__ENABLED": "false" for pop in config.pops() if pop.name != "mumbai"
    }
    for service in config.service:
        name = service.name.upper()
        environment |= {f"EDGE__SERVICE__{name}__PORT": "0", f"EDGE__SERVICE__{name}__INSTANCES": "1"}
    for limit in config.limit:
        name = limit.name.upper()
        environment |= {f"EDGE__LIMIT__{name}__RATE_PER_S": "1e6", f"EDGE__LIMIT__{name}__BURST": "1000000"}
    lines = "".join(f"{name}={value}\n" for name, value in sorted(environment.items()))
    (folder / "command.txt").write_text(f"# edge.toml of the repository, with\n{lines}")
    environment |= {"EDGE_CONFIG": str(REPOSITORY / "edge.toml")}
    expected = {spec.name for spec in formation(load(REPOSITORY / "edge.toml", environment))}
    where = dict.fromkeys(("control", "services"), OTHER_CPU) | dict.fromkeys(
        ("l7", "l4", "dns"), MEASURED_CPU
    )
    with _supervised(folder, environment, where, expected) as (run_dir, tiers):
        address = listening(run_dir)["l4-mumbai-a"]["https"]
        billed = [pid for tier in ("dns", "l4", "l7") for pid in tiers[tier]]
        yield Running(f"https://{address}", billed, {}, tiers)


def _configured(folder: Path, **values: object) -> dict[str, str]:
    configuration = folder / "edge.toml"
    configuration.write_text(_TOML.format(address=ADDRESS, **values))
    return {"EDGE_CONFIG": str(configuration)}


@contextmanager
def _supervised(
    folder: Path, settings: Mapping[str, str], where: Mapping[str, str], names: set[str]
) -> Iterator[tuple[Path, dict[str, list[int]]]]:
    """Start the tiers of `where`, each on its core; the run directory, and the pids by tier."""
    run_dir = folder / "run"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    environment = inherited | dict(settings) | {"EDGE_RUN_DIR": str(run_dir), "PYTHONPATH": str(REPOSITORY)}
    parents: list[subprocess.Popen[bytes]] = []
    try:
        for tier, cpu in where.items():
            command = [sys.executable, "-m", "edge.supervise", tier]
            parents.append(spawn(command, folder, cpu, environment))
        yield run_dir, _await_live(run_dir, names, parents)
    finally:
        for parent in reversed(parents):
            parent.terminate()
        for parent in reversed(parents):
            stop(parent)


def _await_live(
    run_dir: Path, names: set[str], parents: "list[subprocess.Popen[bytes]]"
) -> dict[str, list[int]]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    missing = names
    while time.monotonic() < deadline and all(parent.poll() is None for parent in parents):
        with suppress(LinkLost):
            members = [m for m in ask(run_dir, "status") if m.get("state") == "live"]
            if not (missing := names - {m["name"] for m in members}):
                tiers: dict[str, list[int]] = {}
                for member in members:
                    tiers.setdefault(member["tier"], []).append(member["pid"])
                return tiers
        time.sleep(0.05)
    raise TimeoutError(f"of the edge did not come up: {sorted(missing)}; see {run_dir.parent}/*.log")


def session(run_dir: Path, account: int) -> str:
    """A session cookie as `login` signs it."""
    now = int(time.time())
    claims = {"iss": "edge-login", "aud": "edge", "sub": str(account), "name": f"phone-{account}"}
    times = {"iat": now, "exp": now + 86_400, "jti": f"bench-{account}"}
    key = (run_dir / "keys" / "session-1.pem").read_bytes()
    return jwt.encode(claims | times, key, algorithm="EdDSA", headers={"kid": "1"})


def _strings(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
