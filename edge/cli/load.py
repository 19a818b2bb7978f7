"""`edge load`: fifty phones for a minute, or as many for as long as you like.  [I/O]

Wraps Locust with what the phones need to know of this edge (name server, POPs'
ports, the CA), and leaves a report behind.  Locust runs in a process of its own:
gevent and Trio cannot share one.
"""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import cyclopts
import orjson

from edge.cli.config import config_path
from edge.cli.hub import run_dir_from_environment
from edge.cli.operate import listening
from edge.common.config import Config
from edge.common.config_file import load as load_config
from edge.common.errors import ConfigError
from loadtest.settings import CITIES, Shape, from_environment, variable

# New phones a second.  Each logs in, which hashes a password: 40 ms of a core that the edge shares.
SPAWN_RATE = 5.0
# How long Locust waits for its phones to finish their step at the end.
STOP_TIMEOUT_S = 5

app = cyclopts.App(name="load", help="Load the running edge with phones that behave like people.")


@app.default
def load(
    *,
    phones: int = 50,
    time: str = "60s",
    shape: Shape = "steady",
    attackers: int = 0,
    cities: str = CITIES,
    pace: float = 1.0,
    rate: float = SPAWN_RATE,
    report: Path | None = None,
    ui: bool = False,
    ui_port: int = 8089,
) -> None:
    """Run PHONES phones against the running edge; exit 1 if a request failed.

    Parameters
    ----------
    phones
        How many, at the shape's highest point.
    time
        For how long: 60s, 5m, 1h.
    shape
        steady, ramp, spike (something goes viral) or day.
    attackers
        How many others inject, guess passwords and forge cookies meanwhile.
    cities
        Where the phones live, separated by commas.
    pace
        2 thinks twice as fast.
    rate
        New phones a second.
    report
        The folder for the report (runs/<time>-<shape>).
    ui
        Open Locust's page instead of running at once.
    """
    config = load_config(config_path())
    if importlib.util.find_spec("locust") is None:
        raise ConfigError(["Locust is not installed: `make setup`, or pip install -e '.[load]'"])
    run_dir = run_dir_from_environment()
    ca = run_dir / "ca.pem"
    if not ca.exists():
        raise ConfigError([f"there is no {ca} to trust: has this edge ever been started?  `make up`"])
    folder = report or Path("runs") / f"{_stamp()}-{shape}"
    given = {
        "shape": shape,
        "attackers": attackers,
        "cities": cities,
        "pace": pace,
        "ca": ca,
        "summary": (folder / "summary.txt").absolute(),
    }
    try:
        from_environment({variable(name): str(value) for name, value in given.items()})
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    folder.mkdir(parents=True, exist_ok=True)
    known = {variable(name): str(value) for name, value in (given | _places(config, run_dir)).items()}
    command = [sys.executable, "-m", "locust", "-f", str(_locustfile()), "-u", str(phones + attackers)]
    command += ["-r", str(rate), "-t", time, "--stop-timeout", str(STOP_TIMEOUT_S), "--only-summary"]
    if ui:
        command += ["--web-host", "127.0.0.1", "--web-port", str(ui_port)]
        print(f"the page: http://127.0.0.1:{ui_port}", file=sys.stderr)
    else:
        command += ["--headless", "--html", str(folder / "report.html"), "--csv", str(folder / "locust")]
    done = subprocess.run(command, env=os.environ | known, check=False)
    if not ui:
        print(f"report: {folder / 'report.html'}", file=sys.stderr)
    sys.exit(done.returncode)


def _places(config: Config, run_dir: Path) -> dict[str, object]:
    """Where this edge really listens; with port 0 the configuration does not know."""
    found = listening(run_dir)
    ports = {}
    for pop in config.pops():
        host, _, port = found.get(f"l4-{pop.name}-a", {}).get("https", "").rpartition(":")
        ports[host.strip("[]") or pop.address] = int(port or config.https_port_of(pop))
    dns = next((sockets["udp"] for sockets in found.values() if "udp" in sockets), config.dns.listen)
    return {
        "domain": config.domain,
        "https_port": next(iter(ports.values()), config.https_port),
        "ports": orjson.dumps(ports).decode(),
        "dns": dns,
        "accounts": config.services.accounts,
    }


def _locustfile() -> Path:
    spec = importlib.util.find_spec("loadtest.locustfile")
    assert spec is not None and spec.origin is not None, "it lies beside us"
    return Path(spec.origin)


def _stamp() -> str:
    return time.strftime("%Y%m%d-%H%M%S")
