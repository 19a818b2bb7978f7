"""Tell the other workers of the POP what this one granted, and hear what they did.  [I/O]

The arithmetic and its error bound are in `edge.l7.limits_shared`.
"""

import time
from collections.abc import Callable
from typing import Any

import trio

from edge.common.messages import Member
from edge.common.process import Process
from edge.l7.limits_shared import SYNC_S, TOPIC, SharedLimits


async def share_limits(process: Process, limits: Callable[[], SharedLimits]) -> None:
    """Keep `limits()` in step with the other workers until cancelled."""
    link = process.link

    def hear(name: str, told: Any) -> None:
        if name != process.name:
            limits().hear(told, time.monotonic())

    link.on_report(TOPIC, hear)
    while True:
        await trio.sleep(SYNC_S)
        limits().neighbours(count_workers(link.members.values(), process.pop), link.connected)
        told = limits().report()
        if told is not None:
            link.report(TOPIC, told)


def count_workers(members: Any, pop: str) -> int:
    """How many L7 workers of `pop` take requests, at least this one."""
    alive: list[Member] = [
        member
        for member in members
        if member.tier == "l7" and member.pop == pop and member.state in ("live", "draining")
    ]
    return max(1, len(alive))
