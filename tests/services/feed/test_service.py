"""The feed against real user, ranking, ads, story and recommend in this process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from edge.common.config import ServicesConfig
from edge.common.faults import Fault
from edge.common.http_client import Address
from edge.common.process import Process
from services.ads.service import serve as serve_ads
from services.feed.service import serve as serve_feed
from services.ranking.service import serve as serve_ranking
from services.recommend.service import serve as serve_recommend
from services.story.service import serve as serve_story
from services.user.service import serve as serve_user
from tests.kit.services import ADA, TRACE, ask, introduce, process_of, running

Serve = Callable[[Process], Awaitable[None]]
TIMELINE = "/api/v1/feed/timeline/"
OTHERS: dict[str, Serve] = {
    "user": serve_user,
    "ranking": serve_ranking,
    "ads": serve_ads,
    "story": serve_story,
    "recommend": serve_recommend,
}


class World:
    """feed and the five behind it."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.feed: Address = ("", 0)

    async def timeline(self, query: str = "") -> Any:
        reply = await ask(self.feed, TIMELINE + query, ADA)
        assert reply.status == 200, reply.body
        return reply.json()

    def hurt(self, service: str, **fault: Any) -> None:
        self.processes[service].faults.add(Fault(id="f", for_s=5.0, **fault), trio.current_time())


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    # Six services share this thread, and maybe the machine with others: nobody but the one that was hurt
    # may be late.  Who wants a feed in a hurry says so.
    deadline_ms = float(getattr(request, "param", 600.0))
    made = World()
    async with AsyncExitStack() as stack:
        for name, serve in OTHERS.items():
            made.processes[name] = process_of(name, tmp_path)
            await stack.enter_async_context(running(serve, made.processes[name]))
        feed = process_of("feed", tmp_path, services=ServicesConfig(feed_deadline_ms=deadline_ms))
        introduce(feed, *made.processes.values())
        made.processes["feed"] = feed
        made.feed = await stack.enter_async_context(running(serve_feed, feed))
        yield made


def shown(feed: Any) -> list[str]:
    return [item["media_or_ad"]["id"] for item in feed["feed_items"] if "media_or_ad" in item]


async def test_a_whole_feed_has_everything_in_it(world: World) -> None:
    """Posts in the model's order, ads, suggestions, stories, and a way to the next page."""
    feed = await world.timeline()

    assert feed["degraded"] == []
    assert feed["ranked_by"] == "linear-1/balanced"
    assert len(shown(feed)) == 12
    assert sum("ad" in item for item in feed["feed_items"]) == 2
    assert sum("suggested_users" in item for item in feed["feed_items"]) == 1
    assert feed["reels_tray"]
    scores = [item["media_or_ad"]["ranking"]["score"] for item in feed["feed_items"] if "media_or_ad" in item]
    assert scores == sorted(scores, reverse=True)


async def test_pages_do_not_repeat_posts(world: World) -> None:
    """Six pages are two windows: max_id carries the reader across."""
    seen: list[str] = []
    query = ""
    for _ in range(6):
        feed = await world.timeline(query)
        seen += shown(feed)
        query = f"?max_id={feed['next_max_id']}"

    assert len(seen) == len(set(seen)) == 72


async def test_the_span_tree_shows_the_fan_out(world: World) -> None:
    """feed's server span, five questions under it, and each callee's span under its question."""
    await world.timeline()

    spans = {
        span.span_id: span
        for process in world.processes.values()
        for span in process.spans.find(TRACE.trace_id)
    }
    servers = [span for span in spans.values() if span.kind == 2]
    (root,) = [span for span in servers if span.service == "feed"]
    assert len(servers) == 6
    for server in servers:
        if server is not root:
            question = spans[server.parent_id]
            assert (question.kind, question.parent_id) == (3, root.span_id)
            assert question.attributes["service.peer.name"] == server.service
            assert question.start_ns <= server.start_ns <= server.end_ns <= question.end_ns


@pytest.mark.parametrize("service", ["ads", "story", "recommend", "ranking"])
@pytest.mark.parametrize("fault", [{"kind": "timeout"}, {"kind": "error", "amount": 500.0}, {"kind": "down"}])
async def test_without_a_decoration_there_is_still_a_feed(
    world: World, service: str, fault: dict[str, Any]
) -> None:
    """No ads rather than no feed; the answer and the span name what is missing and why."""
    world.hurt(service, **fault)

    feed = await world.timeline()

    assert feed["degraded"] == [service]
    assert len(shown(feed)) == 12
    (root,) = [span for span in world.processes["feed"].spans.find(TRACE.trace_id) if span.kind == 2]
    assert root.attributes["edge.degraded"] == service
    assert f"no {service}" in str(root.attributes["edge.why"])


async def test_without_ranking_the_newest_come_first(world: World) -> None:
    """The fall-back is an order that everybody understands."""
    world.hurt("ranking", kind="error", amount=503.0)

    feed = await world.timeline()

    taken = [item["media_or_ad"]["taken_at"] for item in feed["feed_items"] if "media_or_ad" in item]
    assert feed["ranked_by"] == "recency"
    assert taken == sorted(taken, reverse=True)


async def test_without_user_there_is_nothing_to_show(world: World) -> None:
    """503 and a reason, at the deadline at the latest."""
    world.hurt("user", kind="timeout")

    reply = await ask(world.feed, TIMELINE, ADA)

    assert reply.status == 503
    assert b"user" in reply.body


@pytest.mark.parametrize("world", [100.0], indirect=True)
async def test_a_slow_answer_of_user_is_late_and_no_error(world: World) -> None:
    """A late feed beats a 503: the deadline is for what the feed can do without."""
    world.hurt("user", kind="latency", amount=400.0)

    feed = await world.timeline()

    assert shown(feed)
    assert feed["ranked_by"] == "recency"


async def test_a_user_service_that_restarts_is_waited_for(world: World) -> None:
    """kill -9 of the one instance costs milliseconds, not a feed."""
    user = world.processes["user"]
    user.faults.add(Fault(id="f", kind="down", for_s=0.03), trio.current_time())

    feed = await world.timeline()

    assert shown(feed)


async def test_a_fault_between_two_services_is_seen_by_the_one_who_asks(world: World) -> None:
    """`--to ads` at feed: ads itself is well."""
    world.processes["feed"].faults.add(Fault(id="f", kind="reset", to="ads", for_s=5.0), trio.current_time())

    feed = await world.timeline()

    assert feed["degraded"] == ["ads"]


async def test_one_accounts_own_pictures_are_paged_too(world: World) -> None:
    """The profile page."""
    first = (await ask(world.feed, "/api/v1/feed/user/7/", ADA)).json()
    more = (await ask(world.feed, f"/api/v1/feed/user/7/?max_id={first['next_max_id']}", ADA)).json()

    ids = [item["id"] for item in first["items"] + more["items"]]
    assert len(ids) == len(set(ids)) == 24
    assert all(one.endswith("_7") for one in ids)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (TIMELINE + "?max_id=nonsense", 400),
        ("/api/v1/feed/user/0/", 404),
        ("/api/v1/feed/user/10001/", 404),
        ("/api/v1/feed/user/7/?max_id=x", 400),
    ],
)
async def test_bad_questions_are_told_so(world: World, target: str, status: int) -> None:
    """A phone's bug must not look like ours."""
    assert (await ask(world.feed, target, ADA)).status == status


async def test_without_an_account_there_is_no_feed(world: World) -> None:
    """L7 lets nobody through, but the feed does not count on it."""
    assert (await ask(world.feed, TIMELINE)).status == 401
