"""What is short is inspected by the loop, the rest by one other thread, and nobody passes uninspected."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from edge.l7.compose import Stages
from edge.l7.inspections import INLINE_ANSWER_BYTES_MAX, INLINE_BODY_BYTES_MAX, WAITING_MAX, Inspections
from edge.l7.request import Request
from edge.l7.stages.waf import BUSY
from edge.l7.verdict import Answer
from edge.l7.waf.matcher import TooDear

REPLY: Any = SimpleNamespace(status=200, fields=())


class Waf:
    """Says in which thread it was asked, as the reason of an answer; holds that thread up if told to."""

    def __init__(self, *, dear: bool = False) -> None:
        self.dear = dear
        self.go_on = threading.Event()
        self.go_on.set()

    def inspect_body(self, request: Request, unix_now: float, *, hurried: bool) -> int:
        assert hurried
        if self.dear:
            raise TooDear
        return threading.get_ident()

    def inspect_body_apart(self, request: Request, unix_now: float) -> int:
        self.go_on.wait(10)
        return threading.get_ident()

    def inspect_answer(self, request: Request, answer: object, unix_now: float) -> int:
        return threading.get_ident()

    def answer_body(self, request: Request, verdict: int, now: float, unix_now: float) -> Answer:
        return Answer(status=403, reason=str(verdict))

    def withhold(self, request: Request, verdict: int, unix_now: float) -> Answer:
        return Answer(status=403, reason=str(verdict))


def inspections(waf: Waf) -> Inspections:
    return Inspections(cast(Stages, SimpleNamespace(waf=waf)))


def posted(size: int) -> Request:
    request = Request("POST", b"/", ())
    request.body_prefix = b"x" * size
    return request


@pytest.mark.parametrize(
    ("size", "dear", "on_loop"),
    [
        (INLINE_BODY_BYTES_MAX, False, True),
        (INLINE_BODY_BYTES_MAX, True, False),
        (INLINE_BODY_BYTES_MAX + 1, False, False),
    ],
)
async def test_a_body_is_inspected_by_whom_it_does_not_hold_up(size: int, dear: bool, on_loop: bool) -> None:
    """The loop tries what is short, and gives up what is dear."""
    answer = await inspections(Waf(dear=dear)).body(posted(size))

    assert answer is not None
    assert (answer.reason == str(threading.get_ident())) is on_loop


@pytest.mark.parametrize(("size", "on_loop"), [(INLINE_ANSWER_BYTES_MAX, True), (64 * 1024, False)])
async def test_so_is_an_answer(size: int, on_loop: bool) -> None:
    """Its rules are walked one by one."""
    answer = await inspections(Waf()).answer(posted(0), REPLY, b"x" * size)

    assert answer is not None
    assert (answer.reason == str(threading.get_ident())) is on_loop


async def test_who_cannot_even_wait_is_refused() -> None:
    """Uninspected nobody passes, and a queue without an end would be no better."""
    waf = Waf(dear=True)
    waf.go_on.clear()
    made = inspections(waf)
    answers: list[Answer | None] = []

    async def ask() -> None:
        answers.append(await made.body(posted(9)))

    async with trio.open_nursery() as nursery:
        for _ in range(WAITING_MAX + 1):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        refused = await made.body(posted(9)), await made.answer(posted(0), REPLY, b"x" * 64 * 1024)
        waf.go_on.set()

    assert refused == (BUSY, BUSY)
    assert [answer.status for answer in answers if answer is not None] == [403] * (WAITING_MAX + 1)
