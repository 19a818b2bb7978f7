"""Services in the test's own process: on port 0, or only their handlers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from edge.common.config import Config, ServiceConfig
from edge.common.http_client import HttpClient
from edge.common.http_messages import Header, HttpReply, HttpRequest
from edge.common.messages import Member
from edge.common.process import Process
from edge.common.recorder import Recorder
from edge.common.trace import TraceContext

TRACE = TraceContext("ab" * 16, "cd" * 8)
ADA: Header = (b"edge-account", b"1")
GRACE: Header = (b"edge-account", b"2")


def process_of(service: str, run_dir: Path, *, name: str = "", **settings: Any) -> Process:
    """A process of `service` without hub; `settings` go into the service's configuration."""
    options = {"work-ms": 0.0} | settings.pop("options", {})
    config = Config(service=(ServiceConfig(name=service, options=options),), **settings)
    return Process.for_test(config, run_dir, name=name or f"{service}-1", service=service)


@asynccontextmanager
async def running(
    serve: Callable[[Process], Awaitable[None]], process: Process
) -> AsyncIterator[tuple[str, int]]:
    """`serve` at work; gives its address.  Cut off at the end: a drain has its own tests."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, process)
        with trio.fail_after(5):
            while process.link.member.state != "live":
                await trio.lowlevel.checkpoint()
        host, _, port = process.link.member.address.rpartition(":")
        try:
            yield host, int(port)
        finally:
            nursery.cancel_scope.cancel()


def introduce(process: Process, *others: Process) -> None:
    """What the hub would tell `process` about `others`."""
    from edge.common.messages import Members

    process.link.receive(Members(changed=[other.link.member for other in others]))


def member(service: str, address: str, **fields: Any) -> Member:
    """A live member of a service."""
    values = {"name": f"{service}-1", "state": "live"} | fields
    return Member(tier="service", pid=1, service=service, address=address, **values)


def client_of(process: Process) -> HttpClient:
    """A client whose spans land in `process`."""
    return HttpClient(Recorder(process.spans, "test", "test-1", process.pid))


async def ask(
    address: tuple[str, int],
    target: str,
    *headers: Header,
    method: str = "GET",
    body: bytes = b"",
    run_dir: Path = Path("/nonexistent"),
) -> HttpReply:
    """One request on a connection of its own."""
    client = client_of(Process.for_test(Config(), run_dir))
    try:
        return await client.request(
            method, address, target, trace=TRACE, timeout_s=5, headers=headers, body=body
        )
    finally:
        await client.aclose()


def request(method: str, target: str, *headers: Header, body: bytes = b"") -> HttpRequest:
    """A request as a handler gets it."""
    pieces = [body] if body else []

    async def receive() -> bytes:
        return pieces.pop(0) if pieces else b""

    return HttpRequest(method, target.encode(), headers, trace=TRACE, receive=receive)
