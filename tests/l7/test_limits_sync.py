"""One limit over real links and a real hub."""

import time

import trio

from edge.common.config import LimitConfig
from edge.common.process import Process
from edge.l7.limits_sync import count_workers, share_limits
from edge.l7.request import Request
from edge.l7.stages.ratelimit import RateLimits
from tests.kit.hubs import CONFIG, running_hub, until

LIMIT = LimitConfig(name="s", key="source", rate_per_s=0.001, burst=10)


async def test_what_one_worker_granted_the_other_does_not(tmp_path) -> None:
    """Ten for the source, whichever worker it comes to."""
    workers = [
        Process.for_test(CONFIG, tmp_path, name=f"l7-mumbai-{number}", tier="l7", pop="mumbai")
        for number in (1, 2)
    ]
    stages = [RateLimits((LIMIT,)) for _ in workers]

    def grants(number: int, tries: int) -> int:
        request = [Request("GET", b"/", (), source="203.0.113.9") for _ in range(tries)]
        return sum(stages[number](one, time.monotonic(), 0.0) is None for one in request)

    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        for process, stage in zip(workers, stages, strict=True):
            nursery.start_soon(process.link.run)
            nursery.start_soon(share_limits, process, lambda stage=stage: stage.shared)
            process.live()
        await until(lambda: all(count_workers(one.link.members.values(), "mumbai") == 2 for one in workers))
        await trio.sleep(0.1)

        first = grants(0, 8)
        await until(lambda: stages[1].shared.heard > 0)
        second = grants(1, 8)

        assert (first, second) == (8, 2)
        nursery.cancel_scope.cancel()


def test_a_worker_counts_itself_even_before_the_hub_speaks() -> None:
    """The price of a request without a hub is at least one."""
    assert count_workers([], "mumbai") == 1
