"""The parent of one tier: starts its workers, restarts them, drains them.  [I/O]

A prefork server in the old manner.  The parent parses the configuration, binds
the sockets, imports the tier's code once, and forks.  It runs no event loop, so
that forking is safe at any time; it waits in `sigtimedwait` for a child's death,
an order to stop or to scale, or the next restart.  A forked worker starts in about 20 ms,
shares the imported code's memory with its siblings, and inherits sockets that
its death does not close.

honcho ends everything as soon as one of its children ends, restarts nothing, and
kills five seconds after the first exit: so the lines of the Procfile are these
supervisors, and they are gone in under `STOP_S`.
"""

import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import trio

from edge.common import revision as revisions
from edge.common.config import Config
from edge.common.errors import ConfigError
from edge.common.log import Log
from edge.common.messages import Member
from edge.common.process import Process, Serve, run
from edge.common.run_files import private_directory, read_revision, read_scale, write_atomically
from edge.supervise.formation import Spec, supervised_by
from edge.supervise.restart import Restart
from edge.supervise.scale import scaled
from edge.supervise.sockets import addresses, bind, bind_all

STOP_S = 4.5
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_WAITED_FOR = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass(slots=True)
class _Worker:
    spec: Spec
    serve: Serve
    restart: Restart = field(default_factory=Restart)
    pid: int = 0
    start_at: float = 0.0  # when it is due, while pid is 0
    leaving: bool = False  # scaled away: it drains, and nobody takes its place


class Supervisor:
    """Owns the workers of one tier."""

    def __init__(self, tier: str, specs: tuple[Spec, ...], config: Config, run_dir: Path) -> None:
        self._log = Log("edge-supervisor", f"{tier} (parent)", config.log)
        self._tier = tier
        self._config = config
        self._revision = revisions.name(revisions.encode(config))
        self._run_dir = private_directory(run_dir)
        self._born_unix = time.time()
        self._bound = bind_all(specs, run_dir)
        self._workers = [_Worker(spec, _load(spec.entry, config)) for spec in specs]

    def run(self) -> int:
        """Supervise until told to stop; returns the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
        self._publish_addresses()
        # What is alive now lives for ever: keep the collector, and with it
        # copy-on-write, away from the pages that all workers share.
        gc.collect()
        gc.freeze()
        while True:
            self._start_due()
            signal_info = signal.sigtimedwait(_WAITED_FOR, self._patience())
            if signal_info is not None and signal_info.si_signo == signal.SIGHUP:
                self._rescale()
            elif signal_info is not None and signal_info.si_signo != signal.SIGCHLD:
                return self._stop()
            self._reap()

    def _rescale(self) -> None:
        """The operator wants more processes of a kind, or fewer (`edge scale`)."""
        try:
            config = scaled(self._config, read_scale(self._run_dir, self._born_unix))
            specs = {spec.name: spec for spec in supervised_by(config, self._tier)}
            for listen in {listen for spec in specs.values() for listen in spec.listen} - self._bound.keys():
                self._bound[listen] = bind(listen, self._run_dir, listen.port)
        except (ConfigError, OSError) as error:
            self._log.error("scale", error=str(error))
            return
        for worker in self._workers:
            if worker.spec.name not in specs and not worker.leaving:
                worker.leaving = True
                if worker.pid:
                    _send(worker.pid, signal.SIGTERM)
        self._workers = [worker for worker in self._workers if worker.pid or not worker.leaving]
        there = {worker.spec.name for worker in self._workers if not worker.leaving}
        entries = {worker.spec.entry: worker.serve for worker in self._workers}
        for name, spec in specs.items():
            if name not in there:
                self._workers.append(_Worker(spec, entries.get(spec.entry) or _load(spec.entry, config)))
        self._log.info("scale", processes=len(specs))
        self._publish_addresses()

    def _publish_addresses(self) -> None:
        listening = {worker.spec.name: addresses(self._bound, worker.spec) for worker in self._workers}
        directory = private_directory(self._run_dir / "listen")
        write_atomically(directory / f"{self._tier}.json", orjson.dumps(listening))

    def _start_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            # Who takes the name of one that still leaves waits for it to be gone.
            if worker.pid == 0 and worker.start_at <= now and worker.spec.name not in self._leaving():
                worker.restart.started(now)
                worker.pid = self._fork(worker)

    def _leaving(self) -> set[str]:
        return {worker.spec.name for worker in self._workers if worker.leaving}

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [worker.start_at - now for worker in self._workers if worker.pid == 0]
        return max(0.0, min(waits, default=3600.0))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for worker in list(self._workers):
                if worker.pid == pid and worker.leaving:
                    self._workers.remove(worker)
                    self._log.info("worker.scaled_away", name=worker.spec.name, pid=pid)
                elif worker.pid == pid:
                    now = time.monotonic()
                    worker.pid = 0
                    worker.start_at = worker.restart.died(now)
                    self._log.warning(
                        "worker.exit",
                        name=worker.spec.name,
                        pid=pid,
                        how=_how(status),
                        restart_in_s=round(max(0.0, worker.start_at - now), 3),
                    )

    def _stop(self) -> int:
        alive = {worker.pid: worker.spec.name for worker in self._workers if worker.pid}
        for pid in alive:
            _send(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while alive and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left)
            for pid in list(alive):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del alive[pid]
        for pid, name in alive.items():
            self._log.warning("worker.killed", name=name, pid=pid, reason=f"still there after {STOP_S} s")
            _send(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return 0

    def _fork(self, worker: _Worker) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            _become(worker.spec.name, parent)
            self._work(worker)
            status = 0
        except BaseException as error:
            self._log.error("worker.crash", name=worker.spec.name, error=repr(error))
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # The child must never unwind into the parent's loop.
            os._exit(status)

    def _work(self, worker: _Worker) -> None:
        spec = worker.spec
        config, revision = self._config, self._revision
        reloaded = read_revision(self._run_dir, self._born_unix)
        if reloaded is not None:
            revision, config = reloaded[0], revisions.decode(reloaded[1])
        member = Member(
            name=spec.name,
            tier=spec.tier,
            pid=os.getpid(),
            pop=spec.pop,
            service=spec.service,
            revision=revision,
        )
        sockets = {listen.key: self._bound[listen] for listen in spec.listen}
        self._close_others(sockets)
        process = Process(member, config, revision, self._run_dir, index=spec.index, sockets=sockets)
        trio.run(run, process, worker.serve)

    def _close_others(self, sockets: dict[str, socket.socket]) -> None:
        mine = set(sockets.values())
        for opened in self._bound.values():
            if opened not in mine:
                opened.close()


def _load(entry: str, config: Config) -> Serve:
    """The tier's entry point; its module's `prepare(config)`, if it has one, is called first.

    `prepare` may compute (compile rules, fill tables) what all workers then share;
    it must leave no thread, socket or file behind.
    """
    module_name, _, function = entry.partition(":")
    module = importlib.import_module(module_name)
    prepare = getattr(module, "prepare", None)
    if prepare is not None:
        prepare(config)
    serve: Serve = getattr(module, function)
    return serve


def _become(name: str, parent: int) -> None:
    """In the child: a name for `ps`, fresh signals, and an end when the parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before we asked to be told
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended by itself; waitpid will say so


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit {os.WEXITSTATUS(status)}"
