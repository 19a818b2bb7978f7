"""The hub: hears every process and tells each what it needs to know.  [I/O]

One task per link reads and asks the `Membership` keeper what follows; one task
per link writes from a bounded outbox.  A link that sends rubbish, goes silent or
reads too slowly is ended and costs nobody else anything.  The hub is not on any
request's path: while it is away, everybody serves on.
"""

import itertools
import os
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

import msgpack
import msgspec
import trio

from edge.common import revision as revisions
from edge.common.control_tls import hub_context
from edge.common.errors import ConfigError, FrameError
from edge.common.framing import Decoder, encode
from edge.common.messages import (
    VERSION,
    Answer,
    Ask,
    Ban,
    Bans,
    Beat,
    Command,
    Done,
    Hello,
    Members,
    Message,
    Refused,
    Report,
    Revision,
    Welcome,
)
from edge.common.process import Process
from edge.common.run_files import REVISION_FILE, write_atomically
from edge.control.durable_file import DurableFile, last_revision
from edge.control.journal import Journal
from edge.control.membership import Membership
from edge.control.rounds import Rounds

READ_BYTES = 64 * 1024
HELLO_TIMEOUT_S = 5.0
SWEEP_S = 0.25
LINKS_MAX = 512
ROUND_TIMEOUT_S_MAX = 60.0
# Reports that the others of the same tier and POP want to hear, some 20 times a second.
FOR_PEERS = frozenset({"spent", "canary"})


@dataclass(eq=False, slots=True)
class _Conversation:
    """One accepted link."""

    number: int
    stream: trio.abc.Stream
    scope: trio.CancelScope
    outbox: trio.MemorySendChannel[Message]
    inbox: trio.MemoryReceiveChannel[Message]
    name: str = ""


class Hub:
    """Everything the control process holds."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._config = process.config.control
        self._file = DurableFile(process.run_dir)
        dead_after_s = self._config.beat_s * self._config.beats_missed_max + 0.5
        self._membership = Membership(dead_after_s=dead_after_s, durable=self._file.read())
        self._membership.durable.revision = process.revision
        self._revision = last_revision(process)
        self._links: dict[str, _Conversation] = {}
        self._open = 0
        self._rounds = Rounds()
        self._numbers = itertools.count(1)
        self._started_unix = time.time()
        self.journal = Journal()

    async def run(self, unix: socket.socket, tcp: socket.socket | None = None) -> None:
        """Accept links, over TCP with mutual TLS only, until cancelled."""
        self._membership.begin(trio.current_time())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            if tcp is not None:
                nursery.start_soon(self._accept, tcp, hub_context(self._process.run_dir))
            await self._accept(unix, None)

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        acceptor = trio.socket.from_stdlib_socket(listener)
        async with trio.open_nursery() as nursery:
            while True:
                connection, _ = await acceptor.accept()
                if self._open >= LINKS_MAX or not (tls or _same_user(connection)):
                    connection.close()
                elif tls is None:
                    nursery.start_soon(self._converse, trio.SocketStream(connection))
                else:
                    stranger = trio.SocketStream(connection)
                    nursery.start_soon(self._converse, trio.SSLStream(stranger, tls, server_side=True))

    async def _converse(self, stream: trio.abc.Stream) -> None:
        outbox, inbox = trio.open_memory_channel[Message](self._config.outbox_frames_max)
        conversation = _Conversation(next(self._numbers), stream, trio.CancelScope(), outbox, inbox)
        self._open += 1
        try:
            with conversation.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, conversation)
                    await self._read(conversation, nursery)
                    nursery.cancel_scope.cancel()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except* FrameError as group:
            self._note("link.refused", conversation.name or "somebody", str(group.exceptions[0]))
        finally:
            self._open -= 1
            self._forget(conversation)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _read(self, conversation: _Conversation, nursery: trio.Nursery) -> None:
        decoder = Decoder(self._config.frame_bytes_max)
        with trio.move_on_after(HELLO_TIMEOUT_S) as patience:
            while data := await conversation.stream.receive_some(READ_BYTES):
                for message in decoder.feed(data):
                    if conversation.name:
                        self._hear(conversation, message, nursery)
                    else:
                        self._greet(conversation, message)
                        patience.deadline = float("inf")
        if not decoder.at_boundary():
            raise FrameError("left in the middle of a frame")

    async def _write(self, conversation: _Conversation) -> None:
        async for message in conversation.inbox:
            await conversation.stream.send_all(encode(message, self._config.frame_bytes_max))

    def _greet(self, conversation: _Conversation, message: Message) -> None:
        if not isinstance(message, Hello):
            raise FrameError(f"said {type(message).__name__} before Hello")
        if message.version != VERSION:
            self._tell(conversation, Refused(reason=f"we speak version {VERSION}, not {message.version}"))
            raise FrameError(f"speaks version {message.version}")
        member = message.member
        conversation.name = member.name
        now = trio.current_time()
        if member.tier != "cli":
            news = self._membership.join(member, conversation.number, now, time.time())
            self._links[member.name] = conversation
            self._broadcast(news, besides=member.name)
            self._note("member.join", member.name, f"{member.tier} pid {member.pid}")
        welcome = Welcome(
            version=VERSION,
            hub_started_unix=self._started_unix,
            revision=self._membership.durable.revision,
            members=self._membership.members(),
            bans=self._membership.durable.bans,
        )
        self._tell(conversation, welcome)
        stale = self._revision is not None and member.revision != self._revision.revision
        if member.tier != "cli" and stale:
            assert self._revision is not None
            self._tell(conversation, self._revision)

    def _hear(self, conversation: _Conversation, message: Message, nursery: trio.Nursery) -> None:
        if isinstance(message, Beat):
            news = self._membership.beat(conversation.name, conversation.number, message, trio.current_time())
            if news is not None:
                self._broadcast(news)
        elif isinstance(message, Answer):
            self._rounds.reply(message.id, message.name, message.value)
        elif isinstance(message, Done):
            self._rounds.reply(message.id, message.name, {"ok": message.ok, "detail": message.detail})
        elif isinstance(message, Ask):
            nursery.start_soon(self._ask, conversation, message)
        elif isinstance(message, Command):
            nursery.start_soon(self._command, conversation, message)
        elif isinstance(message, Report):
            self._report(message)
        else:
            raise FrameError(f"a process never says {type(message).__name__}")

    def _report(self, message: Report) -> None:
        if message.topic in FOR_PEERS:
            for name in self._membership.peers(message.name):
                if name in self._links:
                    self._tell(self._links[name], message)
        elif message.topic == "offender" and isinstance(message.value, dict):
            offence = message.value
            source, for_s = str(offence.get("source", "")), float(offence.get("for_s", 60.0))
            reason = str(offence.get("reason", ""))
            self._ban([Ban(network=source, until_unix=time.time() + for_s, reason=reason, by=message.name)])
        else:
            self._note(f"report.{message.topic}", message.name, str(message.value)[:500])

    # -- questions and commands -----------------------------------------------------

    async def _ask(self, asker: _Conversation, ask: Ask) -> None:
        if ask.topic == "status":
            value: Any = [msgspec.to_builtins(member) for member in self._membership.members()]
        elif ask.topic == "journal":
            value = self.journal.entries(int(ask.args.get("after", 0)))
        elif ask.topic == "bans":
            value = [msgspec.to_builtins(ban) for ban in self._membership.durable.bans]
        else:
            value = await self._round(ask.target, ask)
        self._tell(asker, Answer(id=ask.id, name="hub", value=value))

    async def _command(self, asker: _Conversation, command: Command) -> None:
        try:
            replies = await self._obey(command)
        except (KeyError, TypeError, ValueError) as error:
            replies = {"hub": {"ok": False, "detail": f"bad arguments for {command.action}: {error!r}"}}
        ok = bool(replies) and all(reply["ok"] for reply in replies.values())
        detail = "; ".join(f"{name}: {reply['detail']}" for name, reply in sorted(replies.items()))
        self._note(f"command.{command.action}", command.target, detail[:500])
        self._tell(
            asker,
            Done(id=command.id, name="hub", ok=ok, detail=detail or f"no process is {command.target!r}"),
        )

    async def _obey(self, command: Command) -> dict[str, dict[str, Any]]:
        args = command.args
        if command.action in ("ban", "unban"):
            network = str(args["network"])
            if command.action == "unban":
                self._broadcast(self._membership.lift([network]))
            else:
                until = time.time() + float(args.get("for_s", 60.0))
                self._ban([Ban(network=network, until_unix=until, reason=str(args.get("reason", "by hand")))])
            self._file.write(self._membership.durable)
            return {"hub": {"ok": True, "detail": f"{command.action} {network}"}}
        targets = [member.name for member in self._membership.find(command.target)]
        if command.action in ("weight", "undrain", "drain"):
            # The word stays with the name, so a drained worker that is restarted
            # stays idle until somebody says undrain.
            weight = {"drain": 0, "undrain": 100}.get(command.action, int(args.get("weight", 100)))
            self._broadcast(self._membership.set_weight(targets, max(0, min(1000, weight))))
            self._file.write(self._membership.durable)
            if command.action != "drain":
                return {name: {"ok": True, "detail": f"weight {weight}"} for name in targets}
        if command.action == "reload":
            return self._reload(bytes(args["config"]), str(args["revision"]))
        replies = await self._round(command.target, command)
        return {name: reply for name, reply in replies.items() if isinstance(reply, dict)}

    def _reload(self, config: bytes, revision: str) -> dict[str, dict[str, Any]]:
        try:
            revisions.decode(config)
        except ConfigError as error:
            # Nobody here could read it, and each would lose his link over it.
            detail = f"{error}; if the program was updated while this edge runs, restart the edge"
            return {"hub": {"ok": False, "detail": detail}}
        self._revision = Revision(revision=revision, config=config)
        self._membership.durable.revision = revision
        self._file.write(self._membership.durable)
        # A worker that is restarted from now on is born with it, even if we are gone.
        write_atomically(self._process.run_dir / REVISION_FILE, msgpack.packb([revision, config]))
        self._broadcast(self._revision)
        return {"hub": {"ok": True, "detail": f"revision {revision} sent to {len(self._links)} processes"}}

    async def _round(self, target: str, request: Ask | Command) -> dict[str, Any]:
        """Send `request` to each target under an id of ours and gather what comes in time."""
        names = [member.name for member in self._membership.find(target) if member.name in self._links]
        timeout_s = request.timeout_s if isinstance(request, Ask) else self._config.ask_timeout_s * 5

        def send(name: str, number: str) -> None:
            self._tell(self._links[name], msgspec.structs.replace(request, id=number))

        return await self._rounds.gather(names, send, min(timeout_s, ROUND_TIMEOUT_S_MAX))

    # -- telling --------------------------------------------------------------------

    def _ban(self, bans: list[Ban]) -> None:
        news = self._membership.ban(bans)
        if news.add:
            self._broadcast(news)
            for ban in news.add:
                self._note("ban", ban.network, f"{ban.reason} (by {ban.by or 'an operator'})")

    def _broadcast(self, message: Members | Bans | Revision, besides: str = "") -> None:
        for name, conversation in list(self._links.items()):
            if name != besides:
                self._tell(conversation, message)

    def _tell(self, conversation: _Conversation, message: Message) -> None:
        try:
            conversation.outbox.send_nowait(message)
        except trio.WouldBlock:
            # Never buffer without bound: it may rejoin when it reads again.
            self._note("link.slow", conversation.name, "cut: its outbox is full")
            conversation.scope.cancel()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def _forget(self, conversation: _Conversation) -> None:
        conversation.outbox.close()
        name = conversation.name
        news = self._membership.leave(name, conversation.number)
        if news is not None:
            self._links.pop(name, None)
            self._broadcast(news)
            self._note("member.leave", name, "its link ended")

    def _note(self, event: str, name: str, detail: str) -> None:
        self.journal.add(time.time(), event, name, detail)
        if not event.startswith("report."):
            self._process.log.info(f"hub.{event}", member=name, detail=detail)

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_S)
            for news in self._membership.expire(trio.current_time(), time.time()):
                self._broadcast(news)
                if isinstance(news, Members):
                    self._cut(news.gone)
            self._file.write(self._membership.durable)

    def _cut(self, names: list[str]) -> None:
        for name in names:
            conversation = self._links.pop(name, None)
            self._note("member.silent", name, "missed its beats")
            if conversation is not None:
                conversation.scope.cancel()


async def serve(process: Process) -> None:
    """The control process's entry point."""
    hub = Hub(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run, process.sockets["control"], process.sockets.get("control-tcp"))
        process.live(str(process.run_dir / "control.sock"))
        await process.draining.wait()
        nursery.cancel_scope.cancel()


def _same_user(connection: trio.socket.SocketType) -> bool:
    # The directory is 0700 already; this also holds where somebody loosened it.
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid in (0, os.getuid())
