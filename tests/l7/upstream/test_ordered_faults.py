"""Faults between a worker and its services."""

from pathlib import Path

import pytest
import trio

from edge.common.faults import Fault
from tests.kit.l7_edge import Script, running


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(id="f", kind="error", amount=503, to="feed"), 503),
        (Fault(id="f", kind="reset"), 502),
        (Fault(id="f", kind="down", to="somebody-else"), 200),
    ],
)
async def test_a_hop_breaks_as_it_was_ordered(tmp_path: Path, fault: Fault, status: int) -> None:
    """`--to` names the cluster or the endpoint; others are left alone."""
    async with running(tmp_path, Script()) as edge:
        (target,) = edge.worker.forwarder.targets.values()
        if fault.to == "feed":
            fault = Fault(id="f", kind="error", amount=503, to=target.cluster.config.name)
        edge.worker.process.faults.add(fault, trio.current_time())
        phone = await edge.phone()

        broken = (await phone.get()).status
        edge.worker.process.faults.clear()
        healed = (await phone.get()).status

    assert broken == status
    assert healed == 200


async def test_a_slow_hop_is_slow_and_no_more(tmp_path: Path) -> None:
    """Latency is waited for, and the request goes on."""
    async with running(tmp_path, Script()) as edge:
        edge.worker.process.faults.add(Fault(id="f", kind="latency", amount=120), trio.current_time())
        phone = await edge.phone()
        began = trio.current_time()

        status = (await phone.get()).status

    assert status == 200
    assert trio.current_time() - began >= 0.12
