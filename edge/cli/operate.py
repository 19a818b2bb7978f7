"""Words that change the running edge: drain, undrain, weight, kill, deploy, ban.  [I/O]

Each is one command on the control channel, and says what became of it.
"""

import os
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import orjson

from edge.cli.ban_report import HEAD as BANS_HEAD
from edge.cli.ban_report import rows as ban_rows
from edge.cli.hub import CommandRefused, ask, command, run_dir_from_environment
from edge.cli.screen import say_table
from edge.common import revision as revisions
from edge.common.config_file import load
from edge.l7.waf.load import load_ruleset

DEPLOY_TIMEOUT_S = 20.0


def drain(target: str) -> None:
    """Give TARGET (a process, a service, a tier or a POP) no new work and let it finish.

    It stays idle, even over a restart, until `edge undrain TARGET`.
    """
    print(command(run_dir_from_environment(), target, "drain"))


def undrain(target: str) -> None:
    """Let TARGET have its full share of new work again."""
    print(command(run_dir_from_environment(), target, "undrain"))


def weight(target: str, percent: int) -> None:
    """Give TARGET this many percent of its fair share of new work."""
    print(command(run_dir_from_environment(), target, "weight", weight=percent))


def ban(
    network: str = "",
    *,
    seconds: Annotated[float, cyclopts.Parameter(name=["--for", "--seconds"])] = 60.0,
    reason: str = "by hand",
) -> None:
    """Refuse NETWORK (an address or a prefix) at every L4, for a while; without NETWORK, list who is refused.

    `edge unban NETWORK` forgives one, `edge unban` everybody.
    """
    if not network:
        say_table(BANS_HEAD, ban_rows(ask(run_dir_from_environment(), "bans"), time.time()))
        return
    print(command(run_dir_from_environment(), "*", "ban", network=network, for_s=seconds, reason=reason))


def unban(network: str = "*") -> None:
    """Forgive NETWORK, or everybody."""
    print(command(run_dir_from_environment(), "*", "unban", network=network))


def reload() -> None:
    """Check edge.toml and give it to every running process, without a restart.

    Rule files of the firewall are read again where one has changed.
    Addresses, ports and numbers of processes take effect at the next start.
    """
    config = load(Path(os.environ.get("EDGE_CONFIG", "edge.toml")))
    load_ruleset(config.waf.rules, embedded=False)  # a worker would keep its old rules, and say so in its log
    data = revisions.encode(config)
    name = revisions.name(data)
    print(command(run_dir_from_environment(), "*", "reload", config=data, revision=name))


def kill(target: str) -> None:
    """Send SIGKILL to the process named TARGET; its supervisor starts it again."""
    member = _one(target)
    os.kill(member["pid"], signal.SIGKILL)
    print(f"{target} (pid {member['pid']}) is dead; `edge status` shows it come back")


def deploy(target: str) -> None:
    """Restart every process of TARGET (a tier, a service, a name), one after the other.

    Each is drained, ends, comes back with a new pid, and is live before the next
    one's turn.
    """
    run_dir = run_dir_from_environment()
    members = [member for member in _members() if target in _titles(member)]
    if not members:
        raise CommandRefused(f"no process is {target!r}")
    for member in members:
        started = time.monotonic()
        command(run_dir, member["name"], "stop")
        replaced = _await_successor(member)
        took_s = time.monotonic() - started
        print(f"{member['name']}: pid {member['pid']} -> {replaced['pid']} in {took_s:.2f} s", flush=True)


def listening(run_dir: Path) -> dict[str, dict[str, str]]:
    """Where each process really listens, as the supervisors wrote it down."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((run_dir / "listen").glob("*.json")):
        found |= orjson.loads(file.read_bytes())
    return found


def _await_successor(member: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    while time.monotonic() < deadline:
        for candidate in _members():
            came_back = candidate["name"] == member["name"] and candidate["pid"] != member["pid"]
            if came_back and candidate.get("state") == "live":
                return candidate
        time.sleep(0.05)
    raise CommandRefused(f"{member['name']} did not come back within {DEPLOY_TIMEOUT_S:.0f} s")


def _members() -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = ask(run_dir_from_environment(), "status")
    return members


def _titles(member: dict[str, Any]) -> set[str]:
    return {member["name"], member["tier"], member.get("service", ""), member.get("pop", "")} - {""}


def _one(name: str) -> dict[str, Any]:
    for member in _members():
        if member["name"] == name:
            return member
    raise CommandRefused(f"no process is named {name!r}; `edge status` lists them")
