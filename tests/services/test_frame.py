"""What every service stands on: its port, its options, its ways to the others."""

from pathlib import Path

import pytest
import trio

from edge.common.config import Config, ServiceConfig
from edge.common.http_client import BadReply, TooSlow, Unreachable
from edge.common.http_messages import Header, HttpReply, HttpRequest, HttpResponse, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.frame import Frame, NoInstance, serve_routes
from tests.kit.services import ADA, TRACE, introduce, process_of, request, running


async def serve_echo(process: Process) -> None:
    """A service that tells what it was told, and when it was asked to be slow or broken, is."""
    routes = Routes()

    async def echo(asked: HttpRequest) -> HttpResponse:
        if "wait" in asked.query:
            await trio.sleep_forever()
        if "fail" in asked.query:
            return HttpResponse(500)
        names = [b"edge-account", b"edge-experiment", b"edge-deadline-ms", b"cookie"]
        told = {name.decode(): (asked.header(name) or b"").decode() for name in names}
        return json_response({"who": process.name, **told})

    routes.add("GET", "/echo/", echo)
    await serve_routes(Frame(process), routes)


async def ask_echo(frame: Frame, query: str = "", *headers: Header, timeout_s: float = 2.0) -> HttpReply:
    return await frame.ask(
        "echo", "GET", "/echo/" + query, request("GET", "/", *headers), route="/echo/", timeout_s=timeout_s
    )


async def test_what_l7_said_about_a_request_is_passed_on_and_nothing_else(tmp_path: Path) -> None:
    """The account and the experiments travel; a cookie has no business behind the feed."""
    echo, feed = process_of("echo", tmp_path), process_of("feed", tmp_path)
    async with running(serve_echo, echo):
        frame = Frame(feed)
        introduce(feed, echo)
        told = (await ask_echo(frame, "", ADA, (b"edge-experiment", b"a=b"), (b"cookie", b"secret"))).json()
        await frame.aclose()

    assert (told["edge-account"], told["edge-experiment"], told["cookie"]) == ("1", "a=b", "")
    assert 0 < int(told["edge-deadline-ms"]) <= 2000


async def test_instances_take_turns_and_a_dead_one_is_stepped_over(tmp_path: Path) -> None:
    """kill -9 of one of two costs nobody anything; the span says it was a second try."""
    one, two, feed = (process_of("echo", tmp_path, name=name) for name in ("echo-1", "echo-2", "feed-1"))
    frame = Frame(feed)
    async with running(serve_echo, two):
        async with running(serve_echo, one):
            introduce(feed, one, two)
            whos = [(await ask_echo(frame)).json()["who"] for _ in range(4)]
        left = [(await ask_echo(frame)).json()["who"] for _ in range(4)]
        await frame.aclose()

    assert whos == ["echo-1", "echo-2"] * 2
    assert left == ["echo-2"] * 4
    resent = [
        span for span in feed.spans.find(TRACE.trace_id) if "http.request.resend_count" in span.attributes
    ]
    assert len(resent) == 2


async def test_failures_are_told_apart(tmp_path: Path) -> None:
    """Nobody known, nobody there, an error, silence: four reasons, four words in the span."""
    echo, feed = process_of("echo", tmp_path), process_of("feed", tmp_path)
    frame = Frame(feed)
    with pytest.raises(NoInstance):
        await ask_echo(frame)
    async with running(serve_echo, echo):
        introduce(feed, echo)
        with pytest.raises(BadReply):
            await ask_echo(frame, "?fail=1")
        with pytest.raises(TooSlow):
            await ask_echo(frame, "?wait=1", timeout_s=0.03)
        with pytest.raises(TooSlow):
            await ask_echo(frame, timeout_s=0.0)
    with pytest.raises(Unreachable):
        await ask_echo(frame)
    await frame.aclose()


async def test_the_callers_deadline_is_kept_with_room_for_the_answer(tmp_path: Path) -> None:
    """Asking for longer than one's own caller waits is work for nobody."""
    echo, feed = process_of("echo", tmp_path), process_of("feed", tmp_path)
    frame = Frame(feed)
    async with running(serve_echo, echo):
        introduce(feed, echo)
        asked = request("GET", "/")
        asked.deadline = trio.current_time() + 0.5
        told = (await frame.ask("echo", "GET", "/echo/", asked, route="/echo/")).json()
        await frame.aclose()

    assert int(told["edge-deadline-ms"]) <= 495


async def test_effort_follows_the_configuration_as_it_stands(tmp_path: Path, autojump_clock: object) -> None:
    """A lab makes a service slow by a reload, without a restart."""
    process = process_of("ads", tmp_path, options={"work-ms": 0.0})
    frame = Frame(process, work_ms=3.0)
    asked = request("GET", "/")
    before = trio.current_time()
    await frame.work(asked)
    assert trio.current_time() == before

    process.config = Config(service=(ServiceConfig(name="ads", options={"work-ms": 50.0}),))
    await frame.work(asked)

    assert trio.current_time() - before > 0.01
    assert asked.attributes["edge.simulated_ms"]


async def test_each_instance_has_its_own_port_or_any(tmp_path: Path) -> None:
    """The configured port is the first instance's; the next ones follow."""
    async with running(serve_echo, process_of("echo", tmp_path)) as anywhere:
        process = Process.for_test(
            Config(service=(ServiceConfig(name="echo", instances=2, port=anywhere[1] - 1),)),
            tmp_path,
            service="echo",
        )
        process.index = 1

        with pytest.raises(OSError):  # exactly that port, and it is taken
            await serve_echo(process)
