"""`edge l4`: a load balancer for anything, by itself; and orders to the edge's own.  [I/O]"""

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import trio

from edge.cli.hub import CommandRefused, ask, command, run_dir_from_environment
from edge.common.config import AdmissionConfig, Balance
from edge.common.errors import ConfigError
from edge.common.proxy_protocol import Trusted
from edge.l4.addresses import at
from edge.l4.alone import Alone, serve_alone
from edge.l4.relay import Options
from edge.l4.syn_guard import SynGuard, SynGuardUnavailable
from edge.l4.syn_rules import Guard

app = cyclopts.App(name="l4", help="Balance connections over endpoints, with no other process needed.")

# Somebody who balances a service of their own does not expect the edge's limits.
RATE_PER_S = 100_000.0


@app.default
def l4(
    *,
    listen: str = "127.0.0.1:0",
    to: Annotated[list[str], cyclopts.Parameter(negative=())] = [],  # noqa: B006 - cyclopts reads it
    balance: Balance = "weighted",
    udp: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    send_proxy: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    proxy_from: Annotated[list[str], cyclopts.Parameter(negative=())] = [],  # noqa: B006
    rate: float = RATE_PER_S,
    burst: int = 100_000,
    connections: int = 10_000,
    syn_guard: str = "",
    handover: Path | None = None,
    drain: float = 30.0,
) -> None:
    """Listen on one address and spread what comes over the endpoints.

    Parameters
    ----------
    listen
        HOST:PORT to accept on; port 0 takes any that is free and prints it.
    to
        HOST:PORT of an endpoint; repeat it for each.
    balance
        How the endpoint is chosen.
    udp
        Pass datagrams instead of TCP connections.
    send_proxy
        Begin each connection with a PROXY protocol v2 header.
    proxy_from
        A network whose connections begin with a PROXY header (v1 or v2); repeat it for each.
    rate
        New connections a second that one source may open.
    burst
        How many of them at once.
    connections
        How many one source may have open.
    syn_guard
        "nft" also meters SYNs in the kernel, at the same rate; needs root.
    handover
        A path.  Start the same command again with the same path, and the new process takes
        the socket over while the old one finishes its connections.
    drain
        Seconds to let connections finish at the end.
    """
    problems: list[str] = []
    endpoints = tuple(_address(text, "--to", problems) for text in to)
    address = _address(listen, "--listen", problems)
    problems += _mistakes(endpoints, proxy_from, syn_guard, handover)
    for option, number, least in (
        ("--rate", rate, 0.001),
        ("--burst", burst, 1),
        ("--connections", connections, 1),
    ):
        if number < least:
            problems.append(f"{option} {number:g} would refuse everybody (at least {least:g})")
    if udp and (send_proxy or proxy_from):
        problems.append("--send-proxy and --proxy-from are for TCP")
    if problems:
        raise ConfigError(problems)
    admission = AdmissionConfig(
        source_rate_per_s=rate,
        source_burst=burst,
        source_connections_max=connections,
        rate_per_s=RATE_PER_S,
        burst=int(RATE_PER_S),
        flood_rate_per_s=RATE_PER_S,
    )
    alone = Alone(
        listen=address,
        to=endpoints,
        balance=balance,
        admission=admission,
        options=Options(send_proxy=send_proxy, proxy_from=tuple(proxy_from)),
        datagrams=udp,
        handover=handover,
        drain_s=drain,
    )
    with ExitStack() as stack:
        if syn_guard:
            _guard(stack, address, rate, burst)

        def ready(where: str) -> None:
            print(f"listening on {where} ({'udp' if udp else 'tcp'}, {balance})", flush=True)

        trio.run(serve_alone, alone, ready)


@app.command
def takeover(name: str) -> None:
    """Make the standby NAME (say, l4-mumbai-b) active; the active one stands down, nobody is cut."""
    print(command(run_dir_from_environment(), name, "takeover"))


@app.command
def connections(name: str = "l4", *, rows: int = 0) -> None:
    """What became of connections at each L4 (or only at NAME), and who is connected now.

    Parameters
    ----------
    rows
        List up to so many open connections: from where, to which worker, since when.
    """
    answers = ask(run_dir_from_environment(), "stats", target=name, rows=max(0, rows))
    if not answers:
        raise CommandRefused(f"no L4 process answers to {name!r}")
    for member, stats in sorted(answers.items()):
        results = (
            ", ".join(f"{count} {result}" for result, count in stats["results"].items()) or "nothing yet"
        )
        print(f"{member} ({stats['role']}, epoch {stats['epoch']}): {results}; {stats['connections']} open")
        kernel = {name: count for name, count in stats.get("kernel", {}).items() if count}
        if kernel:
            print("  kernel: " + ", ".join(f"{count} {name}" for name, count in kernel.items()))
        for worker in stats["workers"]:
            state = "draining" if worker["draining"] else "well" if worker["well"] else "not well"
            print(f"  {worker['name']}: {worker['open']} open, weight {worker['weight']}, {state}")
        for row in stats.get("rows", ()):
            print(f"  {at(row['source'], row['port'])} {open_line(row)}")


def open_line(row: dict[str, Any]) -> str:
    """One open connection as L4 tells of it, behind its source."""
    moved = row.get("bytes")
    copied = "" if moved is None else f", {moved[0]:,} bytes in and {moved[1]:,} out"
    return f"at {row['worker']} for {row['for_s']:.1f} s{copied}"


def _guard(stack: ExitStack, address: tuple[str, int], rate: float, burst: int) -> None:
    host, port = address
    if not port:
        print("edge: no SYN guard: it needs a fixed port in --listen", file=sys.stderr)
        return
    guard = Guard(host, (port,), max(1, int(rate)), min(burst, 10_000))
    try:
        stack.enter_context(SynGuard(guard))
    except SynGuardUnavailable as error:
        # Plainly said, and we go on: the accept limiter works everywhere.
        print(f"edge: {error}", file=sys.stderr)
    else:
        print(
            f"SYNs to {at(host, port)} are metered in the kernel: {guard.syns_per_s}/s a source", flush=True
        )


def _mistakes(
    endpoints: tuple[tuple[str, int], ...], proxy_from: list[str], syn_guard: str, handover: Path | None
) -> list[str]:
    found = []
    if not endpoints:
        found.append("--to HOST:PORT is needed at least once")
    for host, port in dict.fromkeys(endpoints):
        if endpoints.count((host, port)) > 1:
            found.append(f"--to {at(host, port)} is given more than once")
        if host and not port:
            found.append(f"--to {at(host, port)}: port 0 is no port to connect to")
    for network in proxy_from:
        try:
            Trusted([network])
        except ValueError:
            found.append(f'--proxy-from {network!r} is not a network such as "203.0.113.0/28"')
    if syn_guard not in ("", "nft"):
        found.append(f'--syn-guard: "nft" is the only one there is, not {syn_guard!r}')
    if handover is not None and not handover.parent.is_dir():
        found.append(f"--handover {handover}: there is no directory {handover.parent}")
    return found


def _address(text: str, option: str, problems: list[str]) -> tuple[str, int]:
    """Host and port; a name is looked up here, once, so that no connection waits for DNS."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        problems.append(f"{option} {text!r} is not HOST:PORT")
        return ("", 0)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        problems.append(f"{option} {text!r}: {error.strerror or error}")
        return ("", 0)
    return str(found[0][4][0]), int(port)
