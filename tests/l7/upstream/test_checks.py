"""Real checks against real listeners on port 0."""

import time

import h11
import pytest
import trio

from edge.common.config import ClusterConfig, HealthConfig
from edge.common.log import Log
from edge.l7.upstream.checks import ask, judge, run_checks
from edge.l7.upstream.cluster import Cluster

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-version: 7\r\n\r\nok"


def head(status: int = 200, *headers: tuple[str, str]) -> h11.Response:
    return h11.Response(status_code=status, headers=list(headers))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (HealthConfig(), ""),
        (HealthConfig(expect_status=(204,)), "status 200"),
        (HealthConfig(expect_header={"X-Version": "7"}), ""),
        (HealthConfig(expect_header={"X-Version": "8"}), "header X-Version does not contain '8'"),
        (HealthConfig(expect_body="ok"), ""),
        (HealthConfig(expect_body="fine"), "the body does not contain 'fine'"),
    ],
)
def test_an_answer_is_judged_by_status_header_and_body(config: HealthConfig, problem: str) -> None:
    """A 200 with an error page is not well."""
    assert judge(head(200, ("x-version", "7")), b"ok", config) == problem


class Answering:
    """A listener that answers everything with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.asked += 1
        async with stream:
            await stream.receive_some(4096)
            await stream.send_all(self.answer)


async def at(nursery: trio.Nursery, service: Answering) -> str:
    listeners = await nursery.start(trio.serve_tcp, service.serve, 0)
    return f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def test_a_service_that_answers_is_well() -> None:
    """Head and, where it is wanted, body."""
    async with trio.open_nursery() as nursery:
        address = await at(nursery, Answering(OK))

        assert await ask(address, HealthConfig()) == ""
        assert await ask(address, HealthConfig(expect_body="ok")) == ""
        nursery.cancel_scope.cancel()


async def test_no_answer_is_a_problem_and_not_a_crash() -> None:
    """A closed connection, nonsense, and a port where nobody is."""
    async with trio.open_nursery() as nursery:
        silent = await at(nursery, Answering(b""))
        nonsense = await at(nursery, Answering(b"SSH-2.0-OpenSSH\r\n\r\n"))

        for address in (silent, nonsense, "127.0.0.1:1", "nonsense"):
            with pytest.raises((OSError, ValueError, h11.RemoteProtocolError)):
                assert not await ask(address, HealthConfig())
        nursery.cancel_scope.cancel()


async def test_the_loop_takes_a_dead_endpoint_down_and_leaves_the_others() -> None:
    """What the phones never notice."""
    async with trio.open_nursery() as nursery:
        service = Answering(OK)
        well, dead = await at(nursery, service), "127.0.0.1:1"
        health = HealthConfig(interval_s=0.02, fast_interval_s=0.01, timeout_s=1.0, fall=2, panic_below=0.0)
        config = ClusterConfig(name="c", endpoints=(well, dead), health=health)
        cluster = Cluster(config, time.monotonic(), _Dice())
        nursery.start_soon(run_checks, lambda: [cluster], Log("test", "test-1"))

        with trio.fail_after(5):
            while cluster.usable() == 2:
                await trio.sleep(0.005)

        told = {endpoint["name"]: endpoint["up"] for endpoint in cluster.explain()["endpoints"]}
        assert told == {well: True, dead: False}
        assert service.asked >= 1
        nursery.cancel_scope.cancel()


class _Dice:
    def random(self) -> float:
        return 0.1
