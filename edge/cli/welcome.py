"""What is a person told once everything is up?

Where things are, and the first commands to type.  Places are those where the
processes really listen, not those of the configuration.
"""

from collections.abc import Mapping

from edge.common.config import Config

_FIRST = (
    ("edge trace", "one feed, as a phone in Jaipur asks for it: where did the time go?"),
    ("edge trace --step", "the same, a hop at a time"),
    ("edge kill feed-1", "kill -9; `edge status` shows it come back"),
    ("edge lab run dead-server", "an experiment on an edge of its own; leaves a report"),
)


def welcome(
    config: Config,
    places: Mapping[str, Mapping[str, str]],
    token: str,
    trust: str,
    processes: int,
    took_s: float,
) -> str:
    """The text; `places` says where each process listens, `token` opens the console."""
    dns = next((found["udp"] for found in places.values() if "udp" in found), config.dns.listen)
    rows = [("dns", f"{dns}  ({config.domain})")]
    for pop in config.pops():
        found = places.get(f"l4-{pop.name}-a", {})
        rows.append((pop.name, f"https://{found.get('https', '?')}  http://{found.get('http', '?')}"))
    console = places.get("console", {}).get("console", "")
    if console and token:
        # Behind the #, where no browser sends it to anybody and no log ever sees it.
        rows.append(("console", f"http://{console}/#token={token}"))
    rows.append(("trust", trust))
    width = max(len(name) for name, _ in rows)
    lines = [f"\nthe edge is ready: {processes} processes in {took_s:.1f} s\n"]
    lines += [f"  {name:<{width}}  {text}" for name, text in rows]
    lines += ["", "try in another terminal (first: . .venv/bin/activate), or open the console's address:", ""]
    width = max(len(command) for command, _ in _FIRST)
    lines += [f"  {command:<{width}}  # {text}" for command, text in _FIRST]
    return "\n".join([*lines, ""])
