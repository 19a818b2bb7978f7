"""Issue 4's promise on limits, with real links and a real hub, in real time."""

import random
import time

import pytest
import trio

from edge.common.config import LimitConfig
from edge.common.process import Process
from edge.l7.limits_sync import count_workers, share_limits
from edge.l7.request import Request
from edge.l7.stages.ratelimit import RateLimits
from tests.kit.hubs import CONFIG, running_hub, until

WORKERS = 4
WARM_UP_S, MEASURED_S = 1.0, 10.0
OFFERED_PER_S = 400.0


@pytest.mark.e2e
@pytest.mark.parametrize("shares", [[1, 1, 1, 1], [85, 5, 5, 5]], ids=["even", "uneven"])
async def test_one_limit_of_100_a_second_over_four_workers_is_within_5_percent(tmp_path, shares) -> None:
    """Whichever worker a request comes to, all of them together grant what one would."""
    limit = LimitConfig(name="global", key="source", rate_per_s=100.0, burst=10)
    workers = [
        Process.for_test(CONFIG, tmp_path, name=f"l7-mumbai-{number}", tier="l7", pop="mumbai")
        for number in range(WORKERS)
    ]
    stages = [RateLimits((limit,)) for _ in workers]
    dice = random.Random(5)
    grants: list[float] = []

    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        for process, stage in zip(workers, stages, strict=True):
            nursery.start_soon(process.link.run)
            nursery.start_soon(share_limits, process, lambda stage=stage: stage.shared)
            process.live()
        await until(
            lambda: all(count_workers(one.link.members.values(), "mumbai") == WORKERS for one in workers)
        )

        began = time.monotonic()
        due = began
        while (now := time.monotonic()) - began < WARM_UP_S + MEASURED_S:
            while due <= now:
                due += dice.expovariate(OFFERED_PER_S)
                request = Request("GET", b"/", (), source="203.0.113.9")
                if dice.choices(stages, shares)[0](request, now, 0.0) is None:
                    grants.append(now - began)
            await trio.sleep(0.002)
        nursery.cancel_scope.cancel()

    granted = sum(at >= WARM_UP_S for at in grants)
    assert 950 <= granted <= 1050
