"""Drop a source's SYNs before the handshake, in the kernel, where that is possible.  [I/O]

A listener sees a connection only after its handshake; a flood of bare SYNs never
gets that far.  nftables can meter SYNs per source in the kernel.  We keep one
table of our own, `inet edge_syn_<tag>`, and nothing else on the machine is
touched.

A process that is killed cannot clean up.  So the table's name carries a tag (the
address it guards), and the next guard of the same address removes what was left
before it adds its own: one `nft` transaction, in which the kernel never has none
and never has two.

Needs root (CAP_NET_ADMIN) and the `nft` program; `why_not` says which is missing.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

from edge.common.errors import EdgeError
from edge.l4.syn_rules import Guard, parse_counters, ruleset, table_name

NFT_TIMEOUT_S = 5.0
_HEX_NAME = re.compile(r"^[a-z0-9_]+$")


class SynGuardUnavailable(EdgeError):
    """The kernel's meter cannot be had here; the text says what is missing."""

    blame = "operator"
    status_hint = None


@dataclass(frozen=True, slots=True)
class SynCounts:
    """What the kernel counted for our addresses."""

    passed: int
    dropped: int


def why_not() -> str | None:
    """Why the guard cannot work here; None if it can.  Changes nothing."""
    if shutil.which("nft") is None:
        return "the program nft is missing (Debian: apt-get install nftables)"
    done = _nft(["-c", "-f", "-"], "add table inet edge_syn_trial\n")
    if done.returncode:
        return f"nft says: {_first_line(done.stderr)} (needs root or CAP_NET_ADMIN)"
    return None


class SynGuard:
    """The table for one guarded address; a context manager."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._table = table_name(guard)
        assert _HEX_NAME.match(self._table), "a table's name is made of letters and digits"

    def __enter__(self) -> "SynGuard":
        reason = why_not()
        if reason is not None:
            raise SynGuardUnavailable(f"no SYN guard: {reason}")
        done = _nft(["-f", "-"], ruleset(self._guard))
        if done.returncode:
            raise SynGuardUnavailable(f"no SYN guard: nft says: {_first_line(done.stderr)}")
        return self

    def __exit__(self, *reason: object) -> None:
        _nft(["delete", "table", "inet", self._table])

    def counts(self) -> SynCounts:
        """SYNs that the kernel let through and dropped, since the start."""
        done = _nft(["list", "table", "inet", self._table])
        passed, dropped = parse_counters(done.stdout)
        return SynCounts(passed, dropped)


def _nft(arguments: list[str], rules: str = "") -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["nft", *arguments],
            input=rules,
            capture_output=True,
            text=True,
            timeout=NFT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(arguments, 1, "", str(error))


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "nothing"
