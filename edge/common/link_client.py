"""Keep this process's control link up, and carry out what comes down it.  [I/O]

One task owns the connection.  Losing it changes nothing for the process: the
state stays as it was last known, and the task tries again with jittered
back-off until the hub is there.
"""

import random
import socket
import uuid
from pathlib import Path
from typing import Any

import trio

from edge.common.config import ControlConfig
from edge.common.control_tls import CONTROL_NAME, link_context
from edge.common.errors import EdgeError, FrameError, LinkLost
from edge.common.framing import Decoder, encode
from edge.common.link import LinkState, backoff_s
from edge.common.log import Log
from edge.common.messages import VERSION, Answer, Ask, Command, Done, Member, Message

READ_BYTES = 64 * 1024
# A hub that is up answers in microseconds; one that is frozen must not hold us.
CONNECT_TIMEOUT_S = 2.0
# What a hub takes longer for than the round's own timeout it will not answer at all.
REPLY_SLACK_S = 1.0
# A page that asks faster than the edge answers must not pile up questions.
QUESTIONS_MAX = 64
# How long a report waits for others to go out with it.  A ban has to reach every L4 within a second.
FLUSH_S = 0.05


class Link(LinkState):
    """A `LinkState` with a Unix socket under it."""

    def __init__(self, path: Path, member: Member, config: ControlConfig, log: Log) -> None:
        super().__init__(member, config.outbox_frames_max)
        self._path = path
        self._config = config
        self._log = log
        self._stream: trio.abc.Stream | None = None
        self._writing = trio.Lock()  # beats, answers and reports are sent by several tasks
        self._changed = trio.Event()
        self._told = trio.Event()  # there is a report to be sent
        self._questions: dict[str, _Question] = {}

    def announce(self) -> None:
        """Send a beat now instead of at the next turn of the clock."""
        self._changed.set()

    def report(self, topic: str, value: Any) -> None:
        """Tell the hub when it is there; see `LinkState.report`."""
        super().report(topic, value)
        self._told.set()

    async def ask(self, topic: str, *, target: str = "*", timeout_s: float = 1.0, **args: Any) -> Any:
        """What the others remember, by process name; "status", "journal" and "bans" from the hub itself.

        Raises `LinkLost` when no hub answers in time.
        """
        number = uuid.uuid4().hex
        question = Ask(id=number, topic=topic, target=target, args=args, timeout_s=timeout_s)
        answer = await self._question(question, timeout_s + REPLY_SLACK_S)
        assert isinstance(answer, Answer), "the hub answers an Ask with an Answer"
        return answer.value

    async def command(self, target: str, action: str, *, timeout_s: float = 10.0, **args: Any) -> Done:
        """Have `target` do `action`; `ok` and `detail` of the reply say what became of it.

        Raises `LinkLost` when no hub answers in time.
        """
        order = Command(id=uuid.uuid4().hex, target=target, action=action, args=args)
        done = await self._question(order, timeout_s)
        assert isinstance(done, Done), "the hub answers a Command with a Done"
        return done

    async def run(self) -> None:
        """Stay linked until cancelled."""
        attempt = 0
        while True:
            try:
                with trio.fail_after(CONNECT_TIMEOUT_S):
                    stream = await _connect(self._path, self._config)
            except (OSError, ValueError, trio.TooSlowError, trio.BrokenResourceError):
                await trio.sleep(backoff_s(attempt, random.random()))
                attempt += 1
                continue
            try:
                await self._converse(stream)
            except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            except* EdgeError as group:
                self._log.warning("link.error", error=str(group.exceptions[0]))
            finally:
                was_connected, self.connected = self.connected, False
                self._stream = None
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
            if was_connected:
                self._log.warning("link.lost", reason=self.refused or "the hub went away")
                attempt = 0
            await trio.sleep(backoff_s(attempt, random.random()))
            attempt += 1

    async def _converse(self, stream: trio.abc.Stream) -> None:
        decoder = Decoder(self._config.frame_bytes_max)
        self._stream = stream
        await self._send(self.hello(VERSION))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            nursery.start_soon(self._flush_reports)
            while data := await stream.receive_some(READ_BYTES):
                for message in decoder.feed(data):
                    if isinstance(message, Answer | Done):
                        self._hear(message)
                        continue
                    request = self.receive(message)
                    if request is not None:
                        # Own task: a slow drain must not hold up the next beat or ban.
                        nursery.start_soon(self._respond, request)
            nursery.cancel_scope.cancel()

    async def _beat(self) -> None:
        while True:
            await self._send(self.beat())
            self._changed = trio.Event()
            with trio.move_on_after(self._config.beat_s):
                await self._changed.wait()

    async def _flush_reports(self) -> None:
        while True:
            self._told = trio.Event()
            for report in self.take_outbox():
                await self._send(report)
            # Nobody's clock ticks while there is nothing to tell: an idle edge is 24 such tasks.
            await self._told.wait()
            await trio.sleep(FLUSH_S)

    async def _respond(self, request: Command | Ask) -> None:
        name = self.member.name
        if isinstance(request, Ask):
            await self._send(Answer(id=request.id, name=name, value=self.answer(request)))
            return
        handler = self.commands.get(request.action)
        if handler is None:
            detail, ok = f"{name} does not know {request.action!r}", False
        else:
            try:
                detail, ok = await handler(request.args), True
            except EdgeError as error:
                detail, ok = str(error), False
            except (KeyError, TypeError, ValueError) as error:
                # Arguments come from the command line through the hub; a wrong one is
                # refused there and must not take this process's link with it.
                detail, ok = f"bad arguments for {request.action}: {error!r}", False
        await self._send(Done(id=request.id, name=name, ok=ok, detail=detail))

    async def _question(self, message: Ask | Command, timeout_s: float) -> Answer | Done:
        if not self.connected:
            raise LinkLost("the hub is away")
        if len(self._questions) >= QUESTIONS_MAX:
            raise LinkLost(f"{QUESTIONS_MAX} questions wait for the hub already")
        question = self._questions[message.id] = _Question()
        try:
            with trio.move_on_after(timeout_s):
                await self._send(message)
                await question.answered.wait()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkLost("the hub went away") from error
        finally:
            del self._questions[message.id]
        if question.reply is None:
            raise LinkLost(f"the hub gave no answer within {timeout_s:g} s")
        return question.reply

    def _hear(self, reply: Answer | Done) -> None:
        question = self._questions.get(reply.id)
        if question is not None:
            question.reply = reply
            question.answered.set()

    async def _send(self, message: Message) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            frame = encode(message, self._config.frame_bytes_max)
        except FrameError as error:
            self._log.error("link.message_too_large", message=type(message).__name__, error=str(error))
            return
        async with self._writing:
            await stream.send_all(frame)


class _Question:
    """One of ours that the hub has not answered yet."""

    __slots__ = ("answered", "reply")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.reply: Answer | Done | None = None


async def _connect(path: Path, config: ControlConfig) -> trio.abc.Stream:
    if config.connect:
        host, _, port = config.connect.rpartition(":")
        plain = await trio.open_tcp_stream(host, int(port))
        stream = trio.SSLStream(plain, link_context(path.parent), server_hostname=CONTROL_NAME)
        await stream.do_handshake()
        return stream
    unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await unix.connect(str(path))
    except BaseException:
        unix.close()
        raise
    return trio.SocketStream(unix)
