"""Revisions that take long to prepare are used in their order, and none is lost."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from edge.common.config import Config
from edge.common.errors import EdgeError
from edge.l7.compose import Stages
from edge.l7.renewal import Renewal
from edge.l7.waf.inspector import Inspector
from tests.kit.l7_edge import Script, running
from tests.kit.l7_worker import toy_config

CONFIG = toy_config("127.0.0.1:1")


class Broken(EdgeError):
    """A rule file with an error in it."""

    blame = "operator"
    status_hint = None


class Bench:
    """A renewal whose preparations end when the test says so."""

    def __init__(self) -> None:
        self.used: list[str] = []
        self.failed: list[str] = []
        self.gates: list[trio.Event] = []
        self.broken: set[int] = set()
        self.renewal: Renewal[int] = Renewal(self._prepare, self._use, self._not_used)

    async def _prepare(self, config: Config) -> int:
        number = len(self.gates)
        self.gates.append(trio.Event())
        await self.gates[number].wait()
        if number in self.broken:
            raise Broken("rules.toml:3: what is this?")
        return number

    def _use(self, config: Config, revision: str, made: int) -> None:
        self.used.append(f"{revision} with {made}")

    def _not_used(self, revision: str, error: EdgeError) -> None:
        self.failed.append(f"{revision}: {error}")

    async def finish(self, number: int) -> None:
        self.gates[number].set()
        await trio.testing.wait_all_tasks_blocked()

    async def want(self, *revisions: str) -> None:
        for revision in revisions:
            self.renewal.want(CONFIG, revision)
        await trio.testing.wait_all_tasks_blocked()


def play(scene: Callable[[Bench], object]) -> Bench:
    bench = Bench()

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.renewal.run)
            await scene(bench)  # type: ignore[misc]
            nursery.cancel_scope.cancel()

    trio.run(scenario)
    return bench


def test_one_that_comes_while_another_is_prepared_is_used_after_it() -> None:
    """Overtaken, the old rules would be in force in the end; lost, the new ones never."""

    async def scene(bench: Bench) -> None:
        await bench.want("a")
        await bench.want("b")
        assert bench.used == []
        await bench.finish(0)
        assert bench.used == ["a with 0"]
        await bench.finish(1)

    assert play(scene).used == ["a with 0", "b with 1"]


def test_of_those_that_come_meanwhile_the_last_one_counts() -> None:
    """Each says everything, and each costs a second; and never are two prepared at a time."""

    async def scene(bench: Bench) -> None:
        await bench.want("a")
        await bench.want("b", "c")
        await bench.want("d")
        assert len(bench.gates) == 1
        await bench.finish(0)
        await bench.finish(1)

    assert play(scene).used == ["a with 0", "d with 1"]


def test_one_that_cannot_be_used_is_reported_and_the_next_one_is_used() -> None:
    """A broken file keeps the rules that are there, not the worker from hearing of better ones."""

    async def scene(bench: Bench) -> None:
        bench.broken.add(0)
        await bench.want("a")
        await bench.finish(0)
        assert bench.used == []
        await bench.want("b")
        await bench.finish(1)

    bench = play(scene)

    assert bench.failed == ["a: rules.toml:3: what is this?"]
    assert bench.used == ["b with 1"]


def test_one_that_comes_before_the_worker_runs_is_not_lost() -> None:
    """The link is answered before the first connection is."""
    bench = Bench()
    bench.renewal.want(CONFIG, "a")

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.renewal.run)
            await trio.testing.wait_all_tasks_blocked()
            await bench.finish(0)
            nursery.cancel_scope.cancel()

    trio.run(scenario)

    assert bench.used == ["a with 0"]


async def test_a_worker_answers_while_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Core Rule Set takes more than a second, in which nobody was served."""
    compiled = threading.Event()
    inspector = Stages.inspector

    def slowly(self: Stages, config: Config) -> Inspector:
        assert compiled.wait(10.0)
        return inspector(self, config)

    monkeypatch.setattr(Stages, "inspector", slowly)
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        edge.worker.orders.renewal.want(edge.worker.config, "2")
        replies = [(await phone.get("/")).status for _ in range(5)]
        before = edge.worker.revision
        compiled.set()
        while edge.worker.revision != "2":
            await trio.testing.wait_all_tasks_blocked(0.001)

    assert replies == [200] * 5
    assert before == "test"
