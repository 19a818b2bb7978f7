"""Play a lab: an edge of its own per variant, load, steps; then measure.  [I/O]"""

import math
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from edge.common.dns_query import NoAnswer, build_query, parse_reply
from edge.common.errors import EdgeError, LinkLost
from edge.common.places import find_city
from edge.common.spans import from_wire
from edge.lab.crowd import others_share
from edge.lab.machine import busy_now
from edge.lab.measure import Sample, counters, quantile, rises, windows
from edge.lab.namespace import tune
from edge.lab.own_edge import OwnEdge, own_edge
from edge.lab.phones import Phones, PlaceOf
from edge.lab.plan import Lab, Load, Step, Variant, identifier
from edge.lab.run import Exemplar, LabRun, Mark, VariantRun, answer, judge, table
from edge.lab.wire import Place

EXEMPLARS_MAX = 4  # of one variant; they go into the report, which has to stay small
DNS_TIMEOUT_S = 1.0
# Events that a learner wants to see on a chart.
_SHOWN_EVENTS = ("member.join", "member.leave", "member.silent", "ban")

LIVE_S = 0.5

Tell = Callable[[str], None]
Live = Callable[[dict[str, Any]], None]  # told twice a second how it goes


class NoSuchTarget(EdgeError):
    """A step names a process that does not run."""

    blame = "operator"
    status_hint = None


async def run_once(root: Path, name: str, lab: Lab, prediction: str, tell: Tell, live: Live) -> LabRun:
    """Run every variant and judge.  Raises `ConfigError`, `NotReady`, `LinkLost`."""
    began_unix = time.time()
    runs: list[VariantRun] = []
    measures: dict[str, Any] = {}
    spans = {identifier(one.name): (one.from_s, one.until_s) for one in lab.window}
    for variant in lab.variant:
        tell(f"{variant.name}: starting an edge of its own")
        run = await _run_variant(root, lab, variant, tell, live)
        runs.append(run)
        here: dict[str, Any] = {"counters": run.counters}
        active = lab.loads_of(variant.name)
        for load in (*lab.load, *active):  # the last of one name counts
            mine = [sample for sample in run.samples if sample.load == load.name]
            here[identifier(load.name)] = windows(mine, spans, load.for_s)
        measures[identifier(variant.name)] = here
    return LabRun(
        name=name,
        began_unix=began_unix,
        commit=_commit(root),
        machine=f"{os.cpu_count()} cores, Linux {os.uname().release}",
        prediction=prediction,
        predicted=answer(lab, measures),
        variants=runs,
        verdicts=judge(lab, measures),
        table=table(lab, measures),
    )


async def _run_variant(root: Path, lab: Lab, variant: Variant, tell: Tell, live: Live) -> VariantRun:
    config = root / lab.config if lab.config == "edge.toml" else root / "labs" / "config" / lab.config
    # Not under the project: a Unix socket's path has at most 107 bytes.
    parent = Path(tempfile.mkdtemp(prefix="edge-lab-"))
    settings = {"EDGE_LOG": "text", **lab.set, **variant.set}
    before = busy_now()
    tune(variant.kernel)
    try:
        async with own_edge(root, config, parent / "run", settings) as edge:
            seconds = max(load.from_s + load.for_s for load in lab.loads_of(variant.name))
            tell(f"{variant.name}: {len(edge.link.members) - 1} processes are up; {seconds:g} s of load")
            run = await _play(edge, lab, variant, seconds, tell, live)
        # The edge has ended, so the kernel has added its processes to our children's account.
        return replace(run, others=others_share(before, busy_now()))
    finally:
        shutil.rmtree(parent, ignore_errors=True)


async def _play(
    edge: OwnEdge, lab: Lab, variant: Variant, seconds: float, tell: Tell, live: Live
) -> VariantRun:
    samples: list[Sample] = []
    marks: list[Mark] = []
    before = counters(await edge.link.ask("metrics"))
    journal = await edge.link.ask("journal")
    last_event = max((event["number"] for event in journal), default=0)
    began, began_unix = trio.current_time() + 0.2, time.time() + 0.2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_live, variant.name, samples, marks, began, seconds, live)
        for load in lab.loads_of(variant.name):
            nursery.start_soon(Phones(load, _place_of(edge, load), began, samples).run)
        for step in sorted(lab.step, key=lambda step: step.at_s):
            if not step.only or variant.name in step.only:
                nursery.start_soon(_take_step, edge, step, began, marks, tell)
    await trio.sleep(lab.settle_s)
    after = counters(await _patiently(lambda: edge.link.ask("metrics")))
    for event in await _patiently(lambda: edge.link.ask("journal", after=last_event)):
        if event["event"] in _SHOWN_EVENTS and event["name"] != "lab":
            text = f"{event['event'].removeprefix('member.')} {event['name']}"
            kind = "ban" if event["event"] == "ban" else "member"
            marks.append(Mark(at_s=event["unix"] - began_unix, text=text, kind=kind))
    samples.sort(key=lambda sample: sample.at_s)
    return VariantRun(
        name=variant.name,
        note=variant.note,
        seconds=seconds,
        samples=samples,
        marks=sorted(marks, key=lambda mark: mark.at_s),
        counters=rises(before, after),
        exemplars=await _exemplars(edge, samples),
    )


async def _tell_live(
    name: str, samples: list[Sample], marks: list[Mark], began: float, seconds: float, live: Live
) -> None:
    told = 0
    for turn in range(1, int(seconds / LIVE_S) + 1):
        await trio.sleep_until(began + turn * LIVE_S)
        fresh, told = samples[told:], len(samples)
        right = sorted(sample.ms for sample in fresh if sample.right)
        live(
            {
                "variant": name,
                "at_s": turn * LIVE_S,
                "seconds": seconds,
                "ok_per_s": len(right) / LIVE_S,
                "errors_per_s": (len(fresh) - len(right)) / LIVE_S,
                "p50_ms": quantile(right, 0.5),
                "p95_ms": quantile(right, 0.95),
                "marks": [[mark.at_s, mark.text, mark.until_s] for mark in marks],
            }
        )


async def _patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    # The hub itself may have been killed by a step; its successor is there in no time.
    for _ in range(20):
        try:
            return await ask()
        except LinkLost:
            await trio.sleep(0.25)
    return await ask()


# -- steps ---------------------------------------------------------------------------------


async def _take_step(edge: OwnEdge, step: Step, began: float, marks: list[Mark], tell: Tell) -> None:
    await trio.sleep_until(began + step.at_s)
    text = step.text or " ".join([step.do, step.target, *(f"{k}={v}" for k, v in step.args.items())]).strip()
    tell(f"{step.at_s:5.1f} s  {text}")
    lasts_s = float(step.args.get("for_s", 0.0)) if step.do == "fault" else 0.0
    marks.append(Mark(at_s=step.at_s, text=text, until_s=step.at_s + lasts_s if lasts_s else 0.0))
    if step.do == "note":
        return
    if step.do == "stop-tier":
        await edge.stop_tier(step.target)
    elif step.do == "kill":
        pids = edge.pids(step.target)
        if not pids:
            raise NoSuchTarget(f"nobody to kill is called {step.target!r}")
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
    elif step.do == "fault":
        for name in edge.pids(step.target) or {step.target: 0}:
            fault: dict[str, Any] = {"id": f"lab-{random.getrandbits(24):06x}", **step.args}
            done = await edge.link.command(name, "fault", **fault)
            if not done.ok:
                raise NoSuchTarget(f"fault at {name}: {done.detail}")
    elif step.do == "deploy":
        await _deploy(edge, step.target)
    else:
        args: dict[str, Any] = {"do": "clear"} if step.do == "clear" else dict(step.args)
        action = "fault" if step.do == "clear" else step.do
        done = await edge.link.command(step.target or "*", action, **args)
        if not done.ok:
            raise NoSuchTarget(f"{step.do} {step.target}: {done.detail}")


async def _deploy(edge: OwnEdge, target: str) -> None:
    for name, pid in sorted(edge.pids(target).items()):
        await edge.link.command(name, "stop")
        with trio.move_on_after(20.0):
            while True:
                member = edge.link.members.get(name)
                if member is not None and member.pid != pid and member.state == "live":
                    break
                await trio.sleep(0.05)


# -- where the phones go ---------------------------------------------------------------------


def _place_of(edge: OwnEdge, load: Load) -> PlaceOf:
    if load.kind == "dns-users":
        return _Resolver(edge, load).place
    if load.to.startswith("service:"):
        name = load.to.removeprefix("service:")

        async def straight(source: str) -> Place:
            host, _, port = edge.link.members[name].address.rpartition(":")
            return Place(host, int(port), edge.config.domain, None, source)

        return straight
    pop = load.pop or edge.config.pops()[0].name
    host, port = edge.address(f"l4-{pop}-a", "https")
    tls = None if load.kind in ("flood", "syn-flood") else edge.tls

    async def through(source: str) -> Place:
        return Place(host, port, edge.config.domain, tls, source, load.one_way_ms / 1000)

    return through


class _Resolver:
    """A phone's DNS cache: it believes an answer until the answer's time is up."""

    def __init__(self, edge: OwnEdge, load: Load) -> None:
        self._edge = edge
        self._load = load
        found = find_city(load.city)
        self._subnet = found.ipv4 if found is not None else ""
        self._host = ""
        self._until = -math.inf
        self._lock = trio.Lock()  # one question at a time, as a resolver does

    async def place(self, source: str) -> Place:
        async with self._lock:
            if trio.current_time() >= self._until:
                await self._ask()
        if not self._host:
            raise OSError("DNS gave no answer")
        pop = next(pop for pop in self._edge.config.pops() if pop.address == self._host)
        _, port = self._edge.address(f"l4-{pop.name}-a", "https")
        config = self._edge.config
        return Place(self._host, port, config.domain, self._edge.tls, source, self._load.one_way_ms / 1000)

    async def _ask(self) -> None:
        host, port = self._edge.name_server()
        number = random.getrandbits(16)
        name = self._edge.config.domain
        query = build_query(number, name, subnet=self._subnet)
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            await sock.connect((host, port))
            with trio.move_on_after(DNS_TIMEOUT_S):
                try:
                    await sock.send(query)
                    reply = parse_reply(await sock.recv(4096), number, name)
                except (OSError, NoAnswer):
                    return
                if reply.addresses:
                    self._host = reply.addresses[0]
                    self._until = trio.current_time() + reply.ttl_s


# -- looking closer ----------------------------------------------------------------------------


async def _exemplars(edge: OwnEdge, samples: list[Sample]) -> list[Exemplar]:
    chosen = []
    for label, sample in choose(samples):
        try:
            answers = await edge.link.ask("trace", trace_id=sample.trace_id)
        except LinkLost:
            continue
        spans = [span for value in answers.values() if value for span in from_wire(value)]
        plain = [
            {name: getattr(span, name) for name in span.__struct_fields__}
            for span in sorted(spans, key=lambda span: span.start_ns)
        ]
        chosen.append(Exemplar(label=label, sample=sample, spans=plain))
    return chosen


def choose(samples: list[Sample]) -> list[tuple[str, Sample]]:
    """The requests to look at: a typical one, a slow one, the slowest, a failed one."""
    traced = [sample for sample in samples if sample.trace_id]
    good = sorted((sample for sample in traced if sample.right), key=lambda sample: sample.ms)
    bad = [sample for sample in traced if not sample.right]
    found: list[tuple[str, Sample]] = []
    if good:
        found.append(("typical (p50)", good[len(good) // 2]))
        found.append(("slow (p99)", good[min(len(good) - 1, int(len(good) * 0.99))]))
    if bad:
        found.append((f"failed ({bad[-1].status or bad[-1].error})", bad[-1]))
    return found[:EXEMPLARS_MAX]


def _commit(root: Path) -> str:
    try:
        told = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return told.stdout.strip() or "unknown"
