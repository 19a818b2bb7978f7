"""What services answer is read by the firewall before the phone reads it, where a route asks for that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config, WafConfig, WafMode
from tests.kit.l7_edge import Edge, Phone, Script, hello, running

LEAK = b"ORA-00942: table or view does not exist"
RULES = """
[[rule]]
id = 7
phase = "answer"
action = "block"
targets = ["answer_body"]
match = {contains = "ORA-00942"}
msg = "A database's error"

[[rule]]
id = 8
phase = "answer_headers"
action = "block"
targets = ["answer_headers:x-debug"]
match = {rx = "."}
msg = "A debugger's header"
"""
Change = Callable[[Config], Config]


@pytest.fixture
def reading(tmp_path: Path) -> Change:
    """A configuration under which answers are read."""
    return changed(tmp_path)


def changed(
    tmp_path: Path,
    mode: WafMode = "block",
    *,
    answers: bool = True,
    bytes_max: int = 4096,
    cache: bool = False,
) -> Change:
    rules = tmp_path / "answers.toml"
    rules.write_text(RULES)

    def change(config: Config) -> Config:
        waf = WafConfig(
            mode=mode, rules=(str(rules),), embedded=False, answers=answers, answer_bytes_max=bytes_max
        )
        (route,) = config.route
        return replace(config, waf=waf, route=(replace(route, auth="public", cache=cache),))

    return change


def findings(edge: Edge) -> list[dict[str, Any]]:
    edge.worker.ledger.account()
    told: list[dict[str, Any]] = edge.worker.ledger.findings.told({})
    return told


def answering(body: bytes, *lines: bytes) -> Script:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n%b" % b"".join(line + b"\r\n" for line in lines)
    return Script(lambda asked, sent: head + b"content-length: %d\r\n\r\n" % len(body) + body)


async def test_an_answer_that_leaks_is_withheld(tmp_path: Path, reading: Change) -> None:
    """The phone gets the request id, and not a byte of what the service said."""
    async with running(tmp_path, answering(LEAK, b"x-secret: 1"), reading) as edge:
        phone = await edge.phone()
        first, second = await phone.get(), await phone.get()
        (finding,) = findings(edge)

    assert (first.status, second.status) == (403, 403)
    assert b"ORA" not in first.body and not first["x-secret"]
    assert first["x-request-id"]
    assert (finding["rules"][0]["id"], finding["part"], finding["times"]) == (7, "answer", 2)


async def test_an_answer_without_a_leak_arrives_as_it_was_sent(tmp_path: Path, reading: Change) -> None:
    """Whole, of a length, in chunks, and ended by the connection."""
    bodies = [b"", b"fine", b"x" * 3000, b"y" * 300_000]

    async def service(stream: trio.SocketStream) -> None:
        asked = b""
        while True:
            while b"\r\n\r\n" not in asked:
                data = await stream.receive_some(5000)
                if not data:
                    return
                asked += data
            head, _, asked = asked.partition(b"\r\n\r\n")
            target = head.split(b" ")[1].decode().strip("/")
            if target == "healthz":
                await stream.send_all(hello(b"ok"))
                continue
            how, number = target.split("/")
            body = bodies[int(number)]
            if how == "length":
                await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
                await stream.send_all(body)
            elif how == "chunked":
                await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for at in range(0, len(body), 1000):
                    piece = body[at : at + 1000]
                    await stream.send_all(b"%x\r\n%b\r\n" % (len(piece), piece))
                await stream.send_all(b"0\r\n\r\n")
            else:
                await stream.send_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + body)
                return

    async with running(tmp_path, service, reading) as edge:
        phone = await edge.phone()
        for number, body in enumerate(bodies):
            for how in ("length", "chunked", "close"):
                reply = await phone.get(f"/{how}/{number}")
                assert (reply.status, reply.body) == (200, body), (how, number)


@pytest.mark.parametrize("status", [b"500 Oh", b"503 Busy", b"404 Gone"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_errors_are_read_like_other_answers(
    tmp_path: Path, reading: Change, status: bytes, method: str
) -> None:
    """That is where most leaks are; also where a 503 is passed on because nothing may be tried again."""
    service = Script(lambda asked, sent: hello(LEAK, b"content-type: text/html", status=status))

    async with running(tmp_path, service, reading) as edge:
        phone = await edge.phone()
        replies = [await phone.get("/", "Content-Length: 0", method=method) for _ in range(3)]

    assert all(reply.status == 403 and b"ORA" not in reply.body for reply in replies)


async def test_a_leak_in_pieces_is_one_leak(tmp_path: Path, reading: Change) -> None:
    """It is read when its beginning is whole, in whatever pieces it came."""

    async def service(stream: trio.SocketStream) -> None:
        await stream.receive_some(5000)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(len(LEAK)):
            await stream.send_all(b"1\r\n%b\r\n" % LEAK[at : at + 1])
        await stream.send_all(b"0\r\n\r\n")

    async with running(tmp_path, service, reading) as edge:
        reply = await (await edge.phone()).get()

    assert reply.status == 403
    assert b"ORA" not in reply.body


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 403),
        ((b"content-encoding: identity",), 403),
        ((b"content-encoding: gzip",), 200),  # not to be read; the service was not asked for it
        ((b"x-debug: 1",), 403),
    ],
)
async def test_what_is_no_text_is_judged_by_its_head(
    tmp_path: Path, reading: Change, lines: tuple[bytes, ...], status: int
) -> None:
    """And a service is not asked for an encoding in which nobody could read its answer."""
    service = answering(LEAK, *lines)

    async with running(tmp_path, service, reading) as edge:
        reply = await (await edge.phone()).get("/", "Accept-Encoding: gzip, br")

    assert reply.status == status
    assert all(b"accept-encoding" not in head.lower() for head in service.heads)


async def test_of_a_long_answer_the_beginning_is_read(tmp_path: Path) -> None:
    """So much is held and no more; the rest passes as it comes."""
    behind = b"x" * 5000 + LEAK
    before = LEAK + b"x" * 500_000

    async with running(tmp_path, answering(behind), changed(tmp_path)) as edge:
        late = await (await edge.phone()).get()
    async with running(tmp_path, answering(before), changed(tmp_path)) as edge:
        early = await (await edge.phone()).get()

    assert (late.status, late.body) == (200, behind)
    assert early.status == 403


async def test_where_the_mode_is_to_detect_it_is_written_down_and_passes(tmp_path: Path) -> None:
    """As with requests."""
    async with running(tmp_path, answering(LEAK), changed(tmp_path, "detect")) as edge:
        reply = await (await edge.phone()).get()
        (finding,) = findings(edge)
        explained = "\n".join(edge.worker.ledger.findings.told({"id": finding["request_id"]}))
        counted = dict(edge.worker.stages.waf.detected)

    assert (reply.status, reply.body) == (200, LEAK)
    assert (finding["action"], finding["part"]) == ("detect", "answer")
    # What must not get out is written into no log either.
    assert f"[{len(LEAK)} bytes]" in explained and "ORA-00942: table" not in explained
    assert counted == {"7": 1}


async def test_where_nobody_asks_nobody_reads(tmp_path: Path) -> None:
    """It costs a third of a millisecond a kilobyte, and the express."""
    async with running(tmp_path, answering(LEAK), changed(tmp_path, answers=False)) as edge:
        reply = await (await edge.phone()).get("/", "Accept-Encoding: gzip")

    assert (reply.status, reply.body) == (200, LEAK)


async def test_a_leak_is_not_stored(tmp_path: Path) -> None:
    """A cache that served it would serve it to everybody, unread."""
    service = answering(LEAK, b"cache-control: max-age=60")

    async with running(tmp_path, service, changed(tmp_path, cache=True)) as edge:
        phone: Phone = await edge.phone()
        statuses = [(await phone.get("/a")).status for _ in range(3)]
        stored = len(edge.worker.stages.cache.store)

    assert statuses == [403] * 3
    assert stored == 0


async def test_a_leak_cannot_be_asked_for_in_pieces(tmp_path: Path, reading: Change) -> None:
    """No half of it would be one.  A service may always answer with the whole."""
    service = answering(LEAK)

    async with running(tmp_path, service, reading) as edge:
        phone = await edge.phone()
        reply = await phone.get("/", "Range: bytes=0-10", 'If-Range: "a"')

    assert reply.status == 403
    assert all(b"range" not in head.lower() for head in service.heads)


async def test_nothing_gets_past_before_the_answer(tmp_path: Path, reading: Change) -> None:
    """An informational answer has header lines too."""
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"

    async with running(tmp_path, Script(lambda head, body: early + hello(b"fine")), reading) as edge:
        reply = await (await edge.phone()).get()

    assert (reply.status, reply.body) == (200, b"fine")


async def test_a_stream_of_events_is_not_held(tmp_path: Path, reading: Change) -> None:
    """It may never end; its head is read."""
    over = trio.Event()

    async def service(stream: trio.SocketStream) -> None:
        asked = await stream.receive_some(5000)
        if asked.startswith(b"GET /healthz "):
            await stream.send_all(hello(b"ok", b"connection: close"))
            return
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        await stream.send_all(head + b"9\r\ndata: 1\n\n\r\n")
        await over.wait()

    async with running(tmp_path, service, reading) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: i.edge.test\r\n\r\n")
        while b"data: 1" not in phone.buffer:
            await phone._more()
        over.set()

    assert phone.buffer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("method", "status", "lines", "told"),
    [
        ("HEAD", b"200 OK", b"content-length: 39\r\n", 200),
        ("HEAD", b"200 OK", b"content-length: 39\r\nx-debug: 1\r\n", 403),
        ("GET", b"204 No Content", b"", 204),
        ("GET", b"204 No Content", b"x-debug: 1\r\n", 403),
        ("GET", b'304 Not Modified\r\netag: "a"', b"", 304),
        ("GET", b'304 Not Modified\r\netag: "a"', b"x-debug: 1\r\n", 403),
    ],
)
async def test_answers_without_a_body_are_judged_by_their_head(
    tmp_path: Path, reading: Change, method: str, status: bytes, lines: bytes, told: int
) -> None:
    """Nothing is waited for, and the connection goes on."""
    service = Script(lambda head, body: b"HTTP/1.1 %b\r\n%b\r\n" % (status, lines))

    async with running(tmp_path, service, reading, patience_s=5.0) as edge:
        phone = await edge.phone()
        replies = [await phone.get("/", 'If-None-Match: "a"', method=method) for _ in range(3)]

    assert [reply.status for reply in replies] == [told] * 3


async def test_trailers_behind_an_answer_stay_behind(tmp_path: Path, reading: Change) -> None:
    """Nobody asked for them, and nobody has read them."""
    body = b"4\r\nfine\r\n0\r\nx-debug: 1\r\n\r\n"
    service = Script(lambda head, sent: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)

    async with running(tmp_path, service, reading) as edge:
        phone = await edge.phone()
        replies = [await phone.get() for _ in range(2)]

    assert [(reply.status, reply.body, phone.buffer) for reply in replies] == [(200, b"fine", b"")] * 2


async def test_a_service_that_breaks_off_while_it_is_read_is_a_bad_gateway(
    tmp_path: Path, reading: Change
) -> None:
    """The phone has heard nothing yet, so it can be told."""
    service = Script(lambda head, body: b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")

    async def breaking(stream: trio.SocketStream) -> None:
        head = await stream.receive_some(5000)
        if head.startswith(b"GET /healthz "):
            await stream.send_all(hello(b"ok", b"connection: close"))
            return
        await stream.send_all(service.answer(head, b"") or b"")

    async with running(tmp_path, breaking, reading) as edge:
        reply = await (await edge.phone()).get()

    assert reply.status == 502
    assert b"half" not in reply.body


async def test_what_other_rules_have_read_is_not_served_from_the_cache(tmp_path: Path) -> None:
    """A virtual patch against a leak is written because there has been one."""
    service = answering(LEAK, b"cache-control: max-age=60")
    change = changed(tmp_path, cache=True)
    (tmp_path / "answers.toml").write_text("")

    async with running(tmp_path, service, change) as edge:
        phone: Phone = await edge.phone()
        before = [await phone.get("/a") for _ in range(2)]
        (tmp_path / "answers.toml").write_text(RULES)
        edge.worker.use(edge.worker.config, "patched")
        after = await phone.get("/a")

    assert [reply.status for reply in before] == [200, 200]
    assert after.status == 403
    assert len(service.heads) == 2
