"""Which policy does a configuration name mean?"""

from collections.abc import Callable

from edge.common.balance.least import LeastConnections, TwoChoices
from edge.common.balance.maglev import BoundedMaglev, Maglev
from edge.common.balance.peak_ewma import PeakEwma
from edge.common.balance.policy import Balancer
from edge.common.balance.rotation import RoundRobin, SmoothWeighted
from edge.common.config import Balance

POLICIES: dict[Balance, Callable[[], Balancer]] = {
    "round-robin": RoundRobin,
    "weighted": SmoothWeighted,
    "least-connections": LeastConnections,
    "two-choices": TwoChoices,
    "peak-ewma": PeakEwma,
    "hash": Maglev,
    "bounded-hash": BoundedMaglev,
}


def make_balancer(policy: Balance) -> Balancer:
    """A balancer of this policy with no endpoints yet."""
    return POLICIES[policy]()
