"""`edge explain flow` and `edge explain drain`: what would the L4 do?  [I/O]

The L4 answers from its real keepers, without changing them.  The tables of the
hash space are worked out here: they take tens of milliseconds that an L4 has
better uses for.
"""

from typing import Any

from edge.cli.hub import CommandRefused, ask, run_dir_from_environment
from edge.cli.l4 import open_line
from edge.common.balance.maglev import SLOTS, Maglev
from edge.common.balance.policy import Target


def flow(source: str) -> None:
    """Say where a connection from SOURCE (address or address:port) is or would go, and why."""
    address, port = _split(source)
    answers = ask(run_dir_from_environment(), "flow", target="l4", source=address, port=port)
    told = [answer for answer in answers.values() if answer is not None]
    if not told:
        raise CommandRefused("no L4 process answers")
    if "error" in told[0]:
        raise CommandRefused(told[0]["error"])
    for answer in sorted(told, key=lambda answer: (answer["role"], answer["name"])):
        # A standby accepts nothing; it matters for what it accepted while it was active.
        if answer["role"] == "active" or answer["open"]:
            print("\n".join(flow_lines(answer, address)))


def flow_lines(answer: dict[str, Any], source: str) -> list[str]:
    """One L4's answer, in sentences."""
    lines = [f"{answer['name']} ({answer['role']}, {answer['policy']}, {answer['mood']})"]
    for held in answer["open"]:
        lines.append(f"  open: port {held['port']} {open_line(held)}")
    if answer["role"] != "active":
        return lines
    if answer["banned"]:
        lines.append(f"  {source} is banned: it would be refused")
        return lines
    level = answer["bucket_level"]
    if level < 1.0:
        lines.append(f"  {source} has opened connections too fast: the next one would be refused")
    else:
        lines.append(f"  {source} may open {level:.0f} more at once; {answer['source_open']} are open")
    if answer["choice"] is None:
        lines.append(f"  {answer['why']}: it would wait in the kernel's queue")
    elif answer["depends_on_source"]:
        lines.append(f"  would go to {answer['choice']}: {answer['why']}")
    else:
        lines.append(
            f"  now it would go to {answer['choice']} of {', '.join(sorted(answer['candidates']))}: "
            f"{answer['why']} ({answer['policy']} does not look at the source)"
        )
    return lines


def drain(target: str) -> None:
    """Say what draining the worker TARGET would move, before anyone does it."""
    answers = ask(run_dir_from_environment(), "drain", target="l4", worker=target)
    told = [answer for answer in answers.values() if answer is not None and "error" not in answer]
    if not told:
        raise CommandRefused(f"no L4 process knows a worker {target!r}")
    for line in drain_lines(told, target):
        print(line)


def drain_lines(answers: list[dict[str, Any]], target: str) -> list[str]:
    """What all L4s of the worker's POP say, in sentences."""
    # Both L4s of a pair see the same worker; its own count is the whole truth.
    busiest = max(answers, key=lambda answer: answer["open"])
    lines = [f"{target} holds {busiest['open']} live connection(s); they stay with it until they end"]
    for answer in sorted(answers, key=lambda answer: answer["name"]):
        lines.append(f"  {answer['live_here']} of them came through {answer['name']} ({answer['role']})")
    weights = busiest["weights"]
    others = [name for name, weight in weights.items() if name != target and weight > 0]
    if target not in weights:
        lines.append(f"{target} is not linked: nothing new would move")
    elif not others:
        lines.append("nobody else could take new connections: it would serve on as the last resort")
    else:
        table = Maglev()
        table.set_endpoints([Target(name, weight) for name, weight in weights.items()])
        owned, moved = table.moved_without(target)
        lines.append(
            f"new connections go to {', '.join(sorted(others))}; "
            f"of the hash space {owned:.2%} is {target}'s and would move, "
            f"and {moved:.2%} more would change hands between the others ({SLOTS} slots)"
        )
        if busiest["policy"] not in ("hash", "bounded-hash"):
            lines.append(
                f"(the policy is {busiest['policy']}, which does not hash: only new connections move)"
            )
    return lines


def _split(source: str) -> tuple[str, int]:
    if source.count(":") == 1 or source.startswith("["):
        host, _, port = source.rpartition(":")
        if port.isdigit():
            return host.strip("[]"), int(port)
    return source.strip("[]"), 0
