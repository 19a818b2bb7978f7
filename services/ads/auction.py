"""Which advertisements does this account get to see now?

A second-price auction over a small inventory: every advertiser's bid is its
budgeted price times how well it fits the account, drawn from the seed and the
hour, so the winners change through the day.  A winner pays what the next one bid.
"""

from dataclasses import dataclass

from services.chance import share

ADVERTISERS = (
    "Anycast Airlines", "Backoff Bakery", "Chunked Chocolate", "Deadline Dry Cleaning", "Ephemeral Ports",
    "Fallback Furniture", "Graceful Shutters", "Handshake Gloves", "Idle Timeouts Spa", "Jitter Coffee",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ad:
    """One advertisement and what it costs its advertiser, in micro-units of money."""

    ad_id: str
    advertiser: str
    price_micros: int


def run(seed: int, account: int, hour: int, slots: int) -> list[Ad]:
    """The winners of `slots` places, dearest first."""
    bids = sorted(
        ((_budget(seed, n) * share(seed, "fit", n, account, hour), n) for n in range(len(ADVERTISERS))),
        reverse=True,
    )
    slots = min(slots, len(bids) - 1)
    return [
        Ad(f"ad{number}h{hour % 1000}", ADVERTISERS[number], int(bids[place + 1][0]))
        for place, (_, number) in enumerate(bids[:slots])
    ]


def _budget(seed: int, advertiser: int) -> float:
    return 2000 + 8000 * share(seed, "budget", advertiser)
