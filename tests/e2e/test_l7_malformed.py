"""Every malformed request, over TLS, to a real worker: refused, answered, and the connection ended."""

from pathlib import Path

import pytest
import trio

from tests.kit.l7_edge import Phone, Script, running
from tests.l7.http1.malformed_cases import CASES, OK, Case

pytestmark = pytest.mark.e2e


async def test_each_case_gets_its_answer(tmp_path: Path) -> None:
    """What the tables in `tests/l7/http1` promise holds for what a phone really sees."""
    service = Script()
    wrong: list[str] = []

    async with running(tmp_path, service, patience_s=120) as edge:
        for case in CASES:
            with trio.move_on_after(5) as scope:
                found = await _ask(await edge.phone(), case)
            if scope.cancelled_caught:
                found = "no answer in 5 s"
            if found:
                wrong.append(f"{case[0]} ({case[1]}): {found}")

    assert not wrong, "\n".join(wrong)
    assert not [head for head in service.heads if b"\x00" in head or b"\r\n " in head]


async def _ask(phone: Phone, case: Case) -> str:
    _, _, data, expected = case
    await phone.send(data)
    reply = await phone.reply(data.split(b" ")[0].decode("latin-1").strip())
    if reply.status == 100:
        reply = await phone.reply()
    if expected == OK:
        return (
            "" if reply.status < 500 and reply.status not in (400, 431) else f"{reply.status}: {reply.body!r}"
        )
    if reply.status != expected:
        return f"{reply.status} instead of {expected}"
    if reply["connection"] != "close" or not await phone.ended():
        return "the connection lives on"
    return ""
