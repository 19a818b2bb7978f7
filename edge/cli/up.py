"""Start the whole edge in the foreground, and say when it is ready.  [I/O]

honcho runs the Procfile; this wraps it with what a person wants around it: every
obstacle named before anything starts, and once all is up, where things are and
what to try first.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.welcome import welcome
from edge.common.config import Config
from edge.common.config_file import load
from edge.common.errors import ConfigError, LinkLost
from edge.supervise.formation import formation
from edge.supervise.keys import ensure_keys

READY_TIMEOUT_S = 30.0
POLL_S = 0.1


def up(*, procfile: Path = Path("Procfile")) -> None:
    """Start everything with honcho; Ctrl-C ends it."""
    config_path = Path(os.environ.get("EDGE_CONFIG", "edge.toml"))
    run_dir = run_dir_from_environment()
    config = load(config_path)
    if not procfile.exists():
        raise ConfigError([f"no {procfile} here: start `edge up` in the folder that holds it"])
    _refuse_obstacles(config, run_dir)
    for made in ensure_keys(run_dir, config):
        print(f"made: {made}", flush=True)
    started = time.monotonic()
    # The Procfile says `python`: it has to be this one, also where nobody activated it.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "-f", str(procfile), "start"], env=os.environ | {"PATH": path}
    )
    # Ctrl-C reaches honcho too (same terminal); it ends its children and then itself,
    # and we leave after it.  A plain SIGTERM has to be passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: honcho.terminate())
    if _await_ready(honcho, config, run_dir):
        print(_welcome(config, run_dir, time.monotonic() - started), flush=True)
    sys.exit(honcho.wait())


def _refuse_obstacles(config: Config, run_dir: Path) -> None:
    from edge.common.preflight_facts import preflight

    problems = preflight(config, run_dir)
    if problems:
        raise ConfigError([*problems, "nothing was started; `edge doctor` shows every check"])


def _await_ready(honcho: "subprocess.Popen[bytes]", config: Config, run_dir: Path) -> bool:
    expected = {spec.name for spec in formation(config)}
    deadline = time.monotonic() + READY_TIMEOUT_S
    while honcho.poll() is None and time.monotonic() < deadline:
        try:
            members = ask(run_dir, "status")
        except LinkLost:
            members = []
        if expected <= {member["name"] for member in members if member.get("state") == "live"}:
            return True
        time.sleep(POLL_S)
    if honcho.poll() is None:
        print("edge: not everything is ready yet; `edge status` says what is missing", file=sys.stderr)
    return False


def _welcome(config: Config, run_dir: Path, took_s: float) -> str:
    from edge.cli.operate import listening

    token_file = run_dir / "console.token"
    token = token_file.read_text().strip() if token_file.exists() else ""
    return welcome(config, listening(run_dir), token, str(run_dir / "ca.pem"), len(formation(config)), took_s)
