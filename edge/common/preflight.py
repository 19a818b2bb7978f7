"""What would keep this edge from starting on this machine?

Pure: `edge.common.preflight_facts` looks at the machine and writes down `Facts`;
each check here compares them with the configuration and says what is wrong, who
is in the way, and the way out.  `edge up` and the supervisors refuse to start
on a `fail`; `edge doctor` shows every check, the good ones too.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.common.config import Config
from edge.common.proc_net import Listener, Protocol

Level = Literal["ok", "warn", "fail"]

PYTHON_MIN = (3, 11)
# 18 processes share nothing here: this is what one worker needs for itself, its pools
# and a few hundred phones.  The usual soft limit of a login shell is exactly this.
OPEN_FILES_MIN = 1024
OPEN_FILES_GOOD = 4096
# The default formation stays under 600 MB; less than half of it cannot work.
MEMORY_GOOD_BYTES = 700 * 1024 * 1024
MEMORY_MIN_BYTES = 300 * 1024 * 1024
DISK_MIN_BYTES = 100 * 1024 * 1024
# sun_path holds 108 bytes with its NUL (unix(7)).
SOCKET_PATH_BYTES_MAX = 107
CLOCK_SKEW_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that holds a socket; pid 0 where we may not see whose it is."""

    pid: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMode:
    """Permissions of one file of ours."""

    path: str
    mode: int
    directory: bool = False
    ours: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found on the machine; absent values could not be found out."""

    python: tuple[int, int, int]
    run_dir: str
    listeners: tuple[Listener, ...] = ()
    owners: Mapping[int, Owner] = field(default_factory=dict)  # socket inode -> process
    our_pids: frozenset[int] = frozenset()  # the processes of this very edge, if it runs
    unusable_addresses: Mapping[str, str] = field(default_factory=dict)  # address -> the kernel's words
    unprivileged_port_min: int = 1024  # 0 for root
    open_files: tuple[int, int] | None = None  # soft, hard
    memory_available_bytes: int | None = None
    disk_free_bytes: int | None = None
    unix_now: float | None = None
    ca_made_unix: float | None = None
    modes: tuple[FileMode, ...] = ()
    hub_pid: int | None = None  # somebody answers at run/control.sock


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    level: Level
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.detail}; {self.remedy}" if self.remedy else self.detail


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address that a process of ours is going to bind."""

    protocol: Protocol
    host: str
    port: int
    owner: str
    variable: str  # which setting moves it


def wanted(config: Config) -> list[Wanted]:
    """Every fixed address of this configuration; port 0 takes what is free and is left out."""
    found: list[Wanted] = []
    protocols: tuple[Protocol, Protocol] = ("udp", "tcp")
    for protocol in protocols:
        found.append(_listen(protocol, config.dns.listen, "dns", "EDGE_DNS_LISTEN"))
    found.append(_listen("tcp", config.console, "console", "EDGE_CONSOLE"))
    if config.control.listen:
        found.append(_listen("tcp", config.control.listen, "hub", "EDGE_CONTROL_LISTEN"))
    for pop in config.pops():
        https, http = config.https_port_of(pop), config.http_port_of(pop)
        found.append(Wanted("tcp", pop.address, https, f"l4 of {pop.name}", "EDGE_HTTPS_PORT"))
        found.append(Wanted("tcp", pop.address, http, f"l4 of {pop.name}", "EDGE_HTTP_PORT"))
    for service in config.service:
        variable = f"EDGE__SERVICE__{service.name.upper().replace('-', '_')}__PORT"
        for copy in range(service.instances if service.port else 0):
            port = service.port + copy
            found.append(Wanted("tcp", "127.0.0.1", port, f"{service.name}-{copy + 1}", variable))
    return [one for one in found if one.port]


def _listen(protocol: Protocol, address: str, owner: str, variable: str) -> Wanted:
    host, _, port = address.rpartition(":")
    return Wanted(protocol, host.strip("[]"), int(port), owner, variable)


def check(config: Config, facts: Facts) -> list[Check]:
    """Every check, in the order in which one would mend them."""
    return [
        _python(facts),
        *_addresses(config, facts),
        *_ports(config, facts),
        *_open_files(facts),
        *_memory(facts),
        *_run_dir(config, facts),
        *_clock(facts),
        *_permissions(facts),
        *_another_edge(facts),
    ]


def problems(checks: list[Check]) -> list[str]:
    """What keeps the edge from starting, as lines for stderr."""
    return [str(one) for one in checks if one.level == "fail"]


def _python(facts: Facts) -> Check:
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < PYTHON_MIN:
        needed = ".".join(map(str, PYTHON_MIN))
        return Check("python", "fail", f"Python {version} is too old", f"use {needed} or newer")
    return Check("python", "ok", f"Python {version}")


def _addresses(config: Config, facts: Facts) -> Iterator[Check]:
    hosts = list(dict.fromkeys(one.host for one in wanted(config)))
    missing = [host for host in hosts if host in facts.unusable_addresses]
    for host in missing:
        detail = f"address {host} cannot be used: {facts.unusable_addresses[host]}"
        yield Check("addresses", "fail", detail, _way_to_address(host))
    if not missing:
        yield Check("addresses", "ok", f"{len(hosts)} addresses are there: {', '.join(hosts)}")


def _way_to_address(host: str) -> str:
    if ipaddress.ip_address(host).is_loopback:
        return f"add it (Linux: ip address add {host}/32 dev lo; macOS: ifconfig lo0 alias {host})"
    return "give the POP an address of this machine in edge.toml"


def _ports(config: Config, facts: Facts) -> Iterator[Check]:
    addresses = wanted(config)
    good = True
    for one in addresses:
        for listener in facts.listeners:
            if not listener.clashes(one.protocol, one.host, one.port):
                continue
            owner = facts.owners.get(listener.inode)
            if owner is not None and owner.pid in facts.our_pids:
                continue
            good = False
            where = f"{one.protocol} {one.host}:{one.port} (for {one.owner})"
            yield Check(
                "ports",
                "fail",
                f"{where} is taken by {_who(owner)}",
                f"{_stop(owner)} or choose another with {one.variable}",
            )
        if one.port < facts.unprivileged_port_min:
            good = False
            detail = f"port {one.port} (for {one.owner}) is for root only"
            yield Check("ports", "fail", detail, f"choose one from 1024 up with {one.variable}")
    if good:
        running = " (this edge is running)" if facts.our_pids else " and free"
        yield Check("ports", "ok", f"{len(addresses)} ports are ours{running}")


def _who(owner: Owner | None) -> str:
    return f"pid {owner.pid} ({owner.command})" if owner and owner.pid else "a process of another user"


def _stop(owner: Owner | None) -> str:
    return f"stop it (kill {owner.pid})" if owner and owner.pid else "stop it"


def _open_files(facts: Facts) -> Iterator[Check]:
    if facts.open_files is None:
        return
    soft, hard = facts.open_files
    detail = f"{soft} file descriptors a process (at most {hard})"
    if soft < OPEN_FILES_MIN:
        detail += f", and a worker needs {OPEN_FILES_MIN}"
        yield Check("open files", "fail", detail, f"run: ulimit -n {min(OPEN_FILES_GOOD, hard)}")
    elif soft < OPEN_FILES_GOOD:
        yield Check("open files", "warn", detail, f"for a real load run: ulimit -n {min(65536, hard)}")
    else:
        yield Check("open files", "ok", detail)


def _memory(facts: Facts) -> Iterator[Check]:
    if facts.memory_available_bytes is None:
        return
    detail = f"{_mb(facts.memory_available_bytes)} MB of memory are free"
    if facts.memory_available_bytes < MEMORY_MIN_BYTES:
        yield Check("memory", "fail", detail, f"at least {_mb(MEMORY_MIN_BYTES)} MB are needed")
    elif facts.memory_available_bytes < MEMORY_GOOD_BYTES:
        yield Check("memory", "warn", detail, "the default formation needs up to 600; switch a POP off")
    else:
        yield Check("memory", "ok", detail)


def _longest_socket(config: Config) -> str:
    """The longest name that is bound below the run directory."""
    workers = [f"/l7/l7-{pop.name}-{pop.l7}.sock" for pop in config.pops()]
    return max(["/control.sock", *workers], key=len)


def _run_dir(config: Config, facts: Facts) -> Iterator[Check]:
    if facts.disk_free_bytes is not None and facts.disk_free_bytes < DISK_MIN_BYTES:
        detail = f"only {_mb(facts.disk_free_bytes)} MB are free under {facts.run_dir}"
        yield Check("run directory", "fail", detail, "make room or point EDGE_RUN_DIR elsewhere")
    elif len((facts.run_dir + _longest_socket(config)).encode()) > SOCKET_PATH_BYTES_MAX:
        # The kernel's limit; without this check bind() fails with "AF_UNIX path too long".
        detail = f"{facts.run_dir} is too long a path for Unix sockets below it"
        yield Check("run directory", "fail", detail, "point EDGE_RUN_DIR to a shorter one, such as /tmp/edge")
    else:
        yield Check("run directory", "ok", facts.run_dir)


def _clock(facts: Facts) -> Iterator[Check]:
    if facts.unix_now is None or facts.ca_made_unix is None:
        return
    behind_s = facts.ca_made_unix - facts.unix_now
    if behind_s > CLOCK_SKEW_MAX_S:
        detail = f"the clock is {behind_s:.0f} s behind the day on which our certificates were made"
        yield Check("clock", "fail", detail, "set the clock, or remove the run directory's ca.pem and keys/")
    else:
        yield Check("clock", "ok", "the clock fits our certificates")


def _permissions(facts: Facts) -> Iterator[Check]:
    good = True
    for one in facts.modes:
        if not one.ours:
            good = False
            remedy = "remove it, or run as its owner"
            yield Check("permissions", "fail", f"{one.path} belongs to another user", remedy)
        elif one.mode & 0o077:
            good = False
            detail = f"{one.path} is open to others ({one.mode:04o})"
            if one.directory:
                yield Check("permissions", "warn", detail, "the next start closes it")
            else:
                # Somebody may have read it already, so closing it silently would hide that.
                yield Check("permissions", "fail", detail, f"run: chmod 600 {one.path}")
    if good and facts.modes:
        yield Check("permissions", "ok", f"{len(facts.modes)} of our files are private")


def _another_edge(facts: Facts) -> Iterator[Check]:
    if facts.hub_pid is not None and not facts.our_pids:
        yield Check(
            "other edge",
            "fail",
            f"an edge is already running in {facts.run_dir} (hub: pid {facts.hub_pid})",
            "stop it, or run this one with another EDGE_RUN_DIR and other ports",
        )


def _mb(count: int) -> int:
    return count // (1024 * 1024)
