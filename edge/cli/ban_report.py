"""Who is refused at L4 now, why, and for how long still?"""

from collections.abc import Iterable, Mapping
from typing import Any

HEAD = ("NETWORK", "LEFT", "REASON", "BY")


def rows(bans: Iterable[Mapping[str, Any]], unix_now: float) -> list[tuple[str, ...]]:
    """A line for each ban, the one that ends first on top."""
    standing = sorted(
        (ban for ban in bans if ban["until_unix"] > unix_now), key=lambda ban: float(ban["until_unix"])
    )
    return [
        (
            str(ban["network"]),
            f"{ban['until_unix'] - unix_now:.0f}s",
            str(ban["reason"]),
            str(ban.get("by") or "an operator"),
        )
        for ban in standing
    ]
