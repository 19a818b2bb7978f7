"""What a connection does for whoever wants to store its answer."""

from pathlib import Path

from edge.l7.fetch import Fetch, Fields
from edge.l7.pipeline import Pipeline
from edge.l7.request import Request
from edge.l7.verdict import Answer
from tests.kit.l7_edge import Script, hello, running


class Recorder:
    """A `Fetch` that writes down how it was used."""

    def __init__(self, instead: Answer | None = None) -> None:
        self.token = object()
        self.seen: list[object] = []
        self._instead = instead

    def request_fields(self) -> Fields:
        return ((b"if-none-match", b'"1"'),)

    def drop_request_fields(self) -> frozenset[bytes]:
        return frozenset((b"range",))

    def response(self, status: int, fields: Fields, now: float, unix_now: float) -> Answer | None:
        self.seen.append(status)
        return self._instead

    def failed(self, now: float, unix_now: float) -> Answer | None:
        self.seen.append("failed")
        return self._instead

    def reply_lines(self) -> bytes:
        return b"cache-status: edge; fwd=miss\r\n"

    def data(self, piece: bytes) -> None:
        self.seen.append(piece)

    def end(self, complete: bool, now: float, unix_now: float) -> None:
        self.seen.append(complete)


def _with(fetch: Fetch, pipeline: Pipeline, worker: object) -> Pipeline:
    def cache(request: Request, now: float, unix_now: float) -> None:
        request.fetch = fetch

    stages = worker.stages  # type: ignore[attr-defined]
    return Pipeline({"normalise": stages.normalise, "route": stages.route, "cache": cache})


async def test_it_sees_head_body_and_end_and_adds_its_fields(tmp_path: Path) -> None:
    """In this order, once each; the service sees its conditions instead of the phone's."""
    service, fetch = Script(), Recorder()

    async with running(tmp_path, service) as edge:
        edge.worker.pipeline = _with(fetch, edge.worker.pipeline, edge.worker)
        phone = await edge.phone()
        reply = await phone.get("/", "Range: bytes=0-1")

    assert fetch.seen == [200, b"hello", True]
    assert reply["cache-status"] == "edge; fwd=miss"
    assert b'if-none-match: "1"' in service.heads[0]
    assert b"range" not in service.heads[0]


async def test_it_may_answer_instead_of_the_service(tmp_path: Path) -> None:
    """304 to our own validation: the phone gets what is stored."""
    fetch = Recorder(Answer(status=200, reason="HIT", body=b"stored"))
    service = Script(lambda head, body: b"HTTP/1.1 304 Not Modified\r\n\r\n")

    async with running(tmp_path, service) as edge:
        edge.worker.pipeline = _with(fetch, edge.worker.pipeline, edge.worker)
        phone = await edge.phone()
        replies = [await phone.get(), await phone.get()]

    assert [reply.body for reply in replies] == [b"stored", b"stored"]
    assert service.connections == 1, "a 304 has no body, so the connection is kept"


async def test_a_stale_answer_is_better_than_none(tmp_path: Path) -> None:
    """stale-if-error (RFC 5861)."""
    fetch = Recorder(Answer(status=200, reason="HIT", body=b"stale"))

    async with running(tmp_path, Script(lambda head, body: None)) as edge:
        edge.worker.pipeline = _with(fetch, edge.worker.pipeline, edge.worker)
        phone = await edge.phone()
        reply = await phone.get()

    assert (reply.status, reply.body) == (200, b"stale")
    assert "failed" in fetch.seen


async def test_a_body_that_breaks_off_is_not_complete(tmp_path: Path) -> None:
    """Half an answer must never be stored as a whole one."""
    fetch = Recorder()
    service = Script(lambda head, body: hello(b"x" * 100)[:-50])

    async def once(stream: object) -> None:
        await stream.receive_some(5000)  # type: ignore[attr-defined]
        await stream.send_all(service.answer(b"", b""))  # type: ignore[attr-defined]

    async with running(tmp_path, once) as edge:
        edge.worker.pipeline = _with(fetch, edge.worker.pipeline, edge.worker)
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await phone._more(end=True)
        while await phone._more(end=True):
            pass

    assert fetch.seen == [200, b"x" * 50, False]
