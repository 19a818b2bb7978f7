"""Direct messages over HTTP, at two instances of one file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from edge.common.http_client import Address
from edge.common.http_messages import HttpReply
from services.dm.service import serve
from services.dm.threads import thread_of
from tests.kit.services import ADA, GRACE, ask, process_of, running

INBOX = "/api/v1/direct_v2/inbox/"
THREAD = f"/api/v1/direct_v2/threads/{thread_of(1, 2)}/"
BROADCAST = "/api/v1/direct_v2/threads/broadcast/text/"
FORM = (b"content-type", b"application/x-www-form-urlencoded")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Address, Address]]:
    async with (
        running(serve, process_of("dm", tmp_path, name="dm-1")) as one,
        running(serve, process_of("dm", tmp_path, name="dm-2")) as two,
    ):
        yield one, two


async def send(address: Address, target: str, **fields: Any) -> HttpReply:
    return await ask(address, target, ADA, method="POST", body=orjson.dumps(fields))


async def test_what_one_instance_acknowledged_the_other_shows(pair: tuple[Address, Address]) -> None:
    """201 means stored; the balancer may send the next request anywhere."""
    sent = await send(pair[0], THREAD + "items/", text="hello grace", client_context="c1")
    assert sent.status == 201
    payload = sent.json()["payload"]

    thread = (await ask(pair[1], THREAD, GRACE)).json()["thread"]
    inbox = (await ask(pair[1], INBOX, GRACE)).json()["inbox"]

    assert thread["items"][0]["item_id"] == payload["item_id"]
    assert thread["items"][0]["text"] == "hello grace"
    assert thread["items"][0]["is_sent_by_viewer"] is False
    assert inbox["threads"][0]["items"][0]["text"] == "hello grace"


async def test_a_new_inbox_is_not_empty(pair: tuple[Address, Address]) -> None:
    """Somebody has said hello; a thread one has written in stands there once."""
    before = (await ask(pair[0], INBOX, ADA)).json()["inbox"]["threads"]
    await send(pair[0], THREAD + "items/", text="hi")
    after = (await ask(pair[0], INBOX, ADA)).json()["inbox"]["threads"]

    assert len(before) == 5
    assert sorted(thread["thread_id"] for thread in before) == sorted(thread["thread_id"] for thread in after)
    assert after[0]["thread_title"] == "grace"


async def test_a_repeated_message_is_stored_once_and_answered_the_same(pair: tuple[Address, Address]) -> None:
    """An interrupted POST may be sent again, also to the other instance."""
    first = await send(pair[0], THREAD + "items/", text="once", client_context="c9")
    again = await send(pair[1], THREAD + "items/", text="once", client_context="c9")

    assert (first.status, again.status) == (201, 201)
    assert first.json()["payload"] == again.json()["payload"]
    items = (await ask(pair[0], THREAD, ADA)).json()["thread"]["items"]
    assert [item["text"] for item in items].count("once") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"text=hi&recipient_users=[[2]]",
        b"text=hi&recipient_users=2",
        b"text=hi&thread_ids=[1000000002]",
        b'text=hi&thread_ids=["1000000002"]',
    ],
)
async def test_broadcast_takes_what_phones_send(pair: tuple[Address, Address], body: bytes) -> None:
    """Lists as text in a form are Instagram's way."""
    reply = await ask(pair[0], BROADCAST, ADA, FORM, method="POST", body=body)

    assert reply.status == 201
    assert reply.json()["payload"]["thread_id"] == "1000000002"


async def test_a_long_thread_is_read_page_by_page(pair: tuple[Address, Address]) -> None:
    """Down to the greeting, without gap or repeat."""
    for n in range(25):
        await send(pair[n % 2], THREAD + "items/", text=str(n))

    newest = (await ask(pair[0], THREAD, ADA)).json()["thread"]
    older = (await ask(pair[0], f"{THREAD}?cursor={newest['oldest_cursor']}", ADA)).json()["thread"]

    texts = [item["text"] for item in newest["items"] + older["items"]]
    assert texts[:25] == [str(n) for n in reversed(range(25))]
    assert len(texts) == 26
    assert (newest["has_older"], older["has_older"]) == (True, False)


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/api/v1/direct_v2/threads/2000000003/", b"", 404),  # grace and linus
        ("GET", "/api/v1/direct_v2/threads/nonsense/", b"", 404),
        ("GET", THREAD + "?cursor=x", b"", 400),
        ("POST", THREAD + "items/", b"{}", 400),
        ("POST", THREAD + "items/", b'{"text":"  "}', 400),
        ("POST", THREAD + "items/", b'{"text":"' + b"x" * 2001 + b'"}', 400),
        ("POST", THREAD + "items/", b'{"text":"hi","client_context":7}', 400),
        ("POST", BROADCAST, b'{"text":"hi"}', 400),
        ("POST", BROADCAST, b'{"text":"hi","recipient_users":[[1]]}', 400),
        ("POST", BROADCAST, b'{"text":"hi","recipient_users":[[2,3]]}', 400),
        ("POST", BROADCAST, b'{"text":"hi","thread_ids":["2000000003"]}', 404),
        ("GET", "/api/v1/direct_v2/stream/", b"", 426),
    ],
)
async def test_what_is_not_ones_own_or_not_right_is_refused(
    pair: tuple[Address, Address], method: str, target: str, body: bytes, status: int
) -> None:
    """A stranger's thread does not even exist."""
    assert (await ask(pair[0], target, ADA, method=method, body=body)).status == status
