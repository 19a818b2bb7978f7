"""May this network have one more answer over UDP?

A UDP source address is a claim.  An attacker who claims to be somebody else has
us send our answers there; all that we can do is to send few.  So each network
(/24 or /56, as BIND's response rate limiting groups them) has a rate, by GCRA.

Above it, every second reply is a truncated one and the other is silence
("slip 2"): the victim hears little, and an honest resolver that shares its
network comes back over TCP, where an address cannot be claimed, and gets its
answer.

State: one float per network that is ahead of its rate, `NETWORKS_MAX` of them.
"""

from ipaddress import IPv6Address
from typing import Literal

from edge.common.gcra import Gcra

NETWORKS_MAX = 50_000  # about 7 MB at worst
_IPV6_BYTES = 7  # a /56, what one customer is usually given

Mercy = Literal["send", "slip", "drop"]


class ResponseLimit:
    """Decides on replies in the order in which they would leave."""

    def __init__(self, rate_per_s: float) -> None:
        # One second's worth at once: resolvers are bursty when many of their phones wake up.
        self._gcra = Gcra(rate_per_s, max(1, int(rate_per_s)), NETWORKS_MAX)
        self._limited = 0

    def judge(self, source: str, now: float) -> Mercy:
        """What to do with a reply to `source`."""
        if self._gcra.take(network_of(source), now) == 0.0:
            return "send"
        self._limited += 1
        return "slip" if self._limited % 2 else "drop"


def network_of(source: str) -> str:
    """The network that `source` is counted with."""
    if ":" not in source:
        return source.rpartition(".")[0]
    return IPv6Address(source.partition("%")[0]).packed[:_IPV6_BYTES].hex()
