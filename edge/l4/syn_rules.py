"""Which nftables rules meter SYNs per source?

Two dynamic sets, one a family, hold a limit for each source that has sent a SYN
lately.  A SYN over its source's limit is counted and dropped before a socket
hears of it; everything else is counted and passed.

The sets are bounded and their entries time out.  A full set fails open: a source
that does not fit is not metered, because refusing whoever comes first in a flood
would hand the flooder its victory.
"""

import re
from dataclasses import dataclass

SOURCES_MAX = 65536  # about 200 bytes of kernel memory each
FORGET_S = 60
SYN_ONLY = "tcp flags & (fin|syn|rst|ack) == syn"


@dataclass(frozen=True, slots=True)
class Guard:
    """What to guard, and how much one source may send."""

    address: str  # the VIP
    ports: tuple[int, ...]
    syns_per_s: int
    burst: int


def table_name(guard: Guard) -> str:
    """The same for the same address and ports, so that the next start finds what a kill left."""
    ports = "_".join(str(port) for port in guard.ports)
    return "edge_syn_" + re.sub(r"[^a-z0-9]", "_", guard.address.lower()) + "_" + ports


def ruleset(guard: Guard) -> str:
    """One transaction: whatever was left behind goes, ours comes."""
    name = table_name(guard)
    family = "ip6" if ":" in guard.address else "ip"
    kind = "ipv6_addr" if ":" in guard.address else "ipv4_addr"
    # An IPv6 source is its /64, as in admission.
    source = f"{family} saddr" + (" & ffff:ffff:ffff:ffff::" if family == "ip6" else "")
    ports = ", ".join(str(port) for port in guard.ports)
    rate = f"limit rate over {guard.syns_per_s}/second burst {max(1, guard.burst)} packets"
    return f"""\
add table inet {name}
delete table inet {name}
table inet {name} {{
  counter passed {{ }}
  counter dropped {{ }}
  set sources {{
    type {kind}
    size {SOURCES_MAX}
    flags dynamic,timeout
    timeout {FORGET_S}s
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    {family} daddr {guard.address} tcp dport {{ {ports} }} {SYN_ONLY} jump per_source
  }}
  chain per_source {{
    update @sources {{ {source} {rate} }} counter name dropped drop
    counter name passed
  }}
}}
"""


def parse_counters(listing: str) -> tuple[int, int]:
    """Packets passed and dropped, out of what `nft list table` prints."""
    found = {
        name: int(packets)
        for name, packets in re.findall(r"counter (passed|dropped) \{\s*packets (\d+)", listing)
    }
    return found.get("passed", 0), found.get("dropped", 0)
