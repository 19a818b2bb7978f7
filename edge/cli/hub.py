"""Ask the hub something, or have it tell a process what to do.  [I/O]

A short link of its own: hello, one question, one answer.  Synchronous, because a
command line has nothing else to do meanwhile.
"""

import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from edge.common.config import ControlConfig
from edge.common.errors import EdgeError, LinkLost
from edge.common.framing import Decoder, encode
from edge.common.messages import VERSION, Answer, Ask, Command, Done, Hello, Member, Message, Refused

FRAME_BYTES_MAX = ControlConfig().frame_bytes_max


class CommandRefused(EdgeError):
    """The edge was reached and did not do it; the text says why."""

    blame = "operator"


def run_dir_from_environment() -> Path:
    """Where this edge keeps its run-time files: EDGE_RUN_DIR or ./run."""
    return Path(os.environ.get("EDGE_RUN_DIR", "run")).absolute()


def ask(run_dir: Path, topic: str, *, target: str = "*", timeout_s: float = 1.0, **args: Any) -> Any:
    """The answers by process name; for "status", "journal" and "bans" the hub's own answer.

    Raises `LinkLost` when no hub answers.
    """
    question = Ask(id=uuid.uuid4().hex, topic=topic, target=target, args=args, timeout_s=timeout_s)
    answer = call_hub(run_dir, question, timeout_s + 2.0)
    assert isinstance(answer, Answer), "call_hub answers an Ask with an Answer"
    return answer.value


def command(run_dir: Path, target: str, action: str, *, timeout_s: float = 10.0, **args: Any) -> str:
    """Have `target` do `action`; the detail of what was done.

    Raises `LinkLost` when no hub answers, `CommandRefused` when it was not done.
    """
    order = Command(id=uuid.uuid4().hex, target=target, action=action, args=args)
    done = call_hub(run_dir, order, timeout_s)
    assert isinstance(done, Done), "call_hub answers a Command with a Done"
    if not done.ok:
        raise CommandRefused(done.detail)
    return done.detail


def call_hub(run_dir: Path, message: Ask | Command, timeout_s: float) -> Answer | Done:
    """Send one message and wait for the hub's reply to it.  Raises `LinkLost`."""
    member = Member(name=f"cli-{os.getpid()}", tier="cli", pid=os.getpid())
    deadline = time.monotonic() + timeout_s
    path = run_dir / "control.sock"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(str(path))
            link.sendall(encode(Hello(version=VERSION, member=member), FRAME_BYTES_MAX))
            link.sendall(encode(message, FRAME_BYTES_MAX))
            return _await_reply(link, message.id, deadline)
    except (OSError, TimeoutError) as error:
        raise LinkLost(f"no edge answers at {path} ({error}); is it running?  `make up` starts it") from error


def _await_reply(link: socket.socket, number: str, deadline: float) -> Answer | Done:
    decoder = Decoder(FRAME_BYTES_MAX)
    while True:
        link.settimeout(max(0.001, deadline - time.monotonic()))
        data = link.recv(64 * 1024)
        if not data:
            raise LinkLost("the hub hung up before it answered")
        for message in decoder.feed(data):
            reply = _reply_to(message, number)
            if reply is not None:
                return reply


def _reply_to(message: Message, number: str) -> Answer | Done | None:
    if isinstance(message, Refused):
        raise LinkLost(f"the hub refused us: {message.reason}")
    if isinstance(message, Answer | Done) and message.id == number:
        return message
    return None
