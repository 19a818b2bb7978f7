"""The console's five pages in a real browser, beside a real edge under load."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.browser import Page, chromium, needs_chromium
from tests.kit.edges import Edge, running_edge, wait_for
from tests.kit.phones import Phone

pytestmark = [pytest.mark.e2e, pytest.mark.tool, needs_chromium]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(tmp_path_factory.mktemp("edge") / "run") as running:
        # Gentle, steady traffic: the pages show real requests.
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                running.run("trace", "--repeat", "20", "--json", timeout_s=60)

        thread = threading.Thread(target=ask)
        thread.start()
        yield running
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def page(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def address(edge: Edge, path: str, *, token: bool = True) -> str:
    host, port = edge.address("console", "console")
    key = f"#token={(edge.run_dir / 'console.token').read_text()}" if token else ""
    return f"http://{host}:{port}{path}{key}"


def visit(page: Page, edge: Edge, path: str) -> None:
    page.console.clear()
    page.requested.clear()
    page.open(address(edge, path))


def choose(page: Page, name: str) -> None:
    page.wait(f"document.querySelector('g.node[aria-label^=\"{name},\"]')")
    page.run(
        f"document.querySelector('g.node[aria-label^=\"{name},\"]').dispatchEvent(new MouseEvent('click'))"
    )
    page.wait(f"document.querySelector('#panel h2')?.textContent === '{name}'")


def press(page: Page, text: str) -> None:
    page.run(f"[...document.querySelectorAll('button')].find((b) => b.textContent === '{text}').click()")


def nothing_went_wrong(page: Page) -> None:
    """No script error, nothing that the policy refused, nobody else asked."""
    assert page.console == []
    strangers = [url for url in page.requested if not url.startswith(("http://127.0.0.1:", "data:"))]
    assert strangers == []


def test_a_request_is_followed_from_the_picture_to_its_waterfall(edge: Edge, page: Page) -> None:
    """Every dot is a real request, one click from its story."""
    visit(page, edge, "/")
    page.wait("document.querySelectorAll('#map circle').length > 0")
    href = page.wait(
        "[...document.querySelectorAll('#recent a')].find((a) => a.textContent.includes('timeline'))?.href"
    )
    assert "token" not in page.run("location.href")

    page.open(str(href))

    assert page.wait("document.querySelectorAll('.fall .span').length >= 12")
    before = page.wait("document.querySelector('.two h2')?.textContent")
    page.run("document.querySelector('main section').focus()")
    page.key("ArrowRight")
    assert page.wait(f"document.querySelector('.two h2').textContent !== {before!r}")
    rows = "[...document.querySelectorAll('.fall .span')]"
    page.run(f"{rows}.find((row) => row.textContent.includes('GET feed ')).click()")
    told = str(page.wait("document.querySelector('.step')?.innerText"))
    # Upper case is the style sheet's.
    order = ["headers in", "decided", "headers passed on to feed-", "headers given back from feed-"]
    places = [told.lower().find(title) for title in order]
    assert places == sorted(places)
    assert -1 not in places
    assert "x-forwarded-for" in told
    assert re.search(r"edge_session=\(\d+ characters\)", told), "the session itself stays in the worker"
    assert "edge/l7/connection.py" in told
    nothing_went_wrong(page)


def test_a_killed_feed_is_seen_to_come_back(edge: Edge, page: Page) -> None:
    """kill -9 is an everyday event; the picture shows the new pid."""
    visit(page, edge, "/")
    choose(page, "feed-2")
    pid = edge.live()["feed-2"]

    press(page, "Kill -9")

    wait_for(lambda: edge.live().get("feed-2", pid) != pid)
    new = edge.live()["feed-2"]
    page.wait(f"document.querySelector('#panel dl').textContent.includes('{new}')")
    assert page.wait("document.querySelector('#events').textContent.includes('feed-2')")
    nothing_went_wrong(page)


def test_a_fault_is_added_and_ends_by_itself(edge: Edge, page: Page) -> None:
    """Nobody has to clean up; and the stop button is there for the impatient."""
    visit(page, edge, "/")
    choose(page, "feed-1")

    press(page, "freeze 5 s")
    page.wait("document.querySelector('#toast').classList.contains('on')")
    wait_for(lambda: edge.members()["feed-1"].get("state") == "live", 15)
    press(page, "+300 ms")
    page.wait("document.querySelector('#stop').textContent.includes('(1)')")
    page.wait(
        "document.querySelector('g.node[aria-label^=\"feed-1,\"]').getAttribute('aria-label').includes('faulted')"
    )
    page.wait("document.querySelector('#stop').textContent === 'Stop all faults'", timeout_s=25)

    press(page, "+300 ms")
    page.wait("document.querySelector('#stop').textContent.includes('(1)')")
    press(page, "Stop all faults (1)")
    page.wait("document.querySelector('#stop').textContent === 'Stop all faults'", timeout_s=5)
    assert "feed-1" not in edge.run("fault", "list").stdout
    nothing_went_wrong(page)


def test_the_table_has_a_row_for_every_process(edge: Edge, page: Page) -> None:
    """What HAProxy's users look for first."""
    visit(page, edge, "/stats")
    expected = edge.expected() - {"console"}

    page.wait(f"document.querySelectorAll('tr[data-name]').length >= {len(expected)}")

    shown = set(page.run("[...document.querySelectorAll('tr[data-name]')].map((row) => row.dataset.name)"))
    assert expected <= shown
    page.wait(
        "[...document.querySelectorAll('tr[data-name^=l7] td:nth-child(6)')]"
        ".some((cell) => Number(cell.textContent) > 0)"
    )
    nothing_went_wrong(page)


def test_a_refused_attack_is_listed_and_explained(edge: Edge, page: Page) -> None:
    """From the number that the phone was given to the rule, the fragment and the way out."""
    attacker = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", "127.0.67.1")
    request_id = attacker.get("/api/v1/feed/timeline/?q=%3Cscript%3E").headers["x-request-id"]
    visit(page, edge, "/waf")

    page.wait(f"document.querySelector('#findings tr[data-id=\"{request_id}\"]')")
    page.run(f"document.querySelector('#findings tr[data-id=\"{request_id}\"] button').click()")

    told = str(
        page.wait(
            "document.querySelector('#why').textContent.includes('[[exclude]]') && document.body.innerText"
        )
    )
    assert "403 refused" in told
    assert "rule 102010  A script tag" in told
    assert page.wait(
        "[...document.querySelectorAll('#rules th')].some((cell) => cell.textContent === '102010')"
    )
    nothing_went_wrong(page)


def test_the_phone_loads_its_feed_through_the_edge(edge: Edge, page: Page) -> None:
    """Skeleton, feed, pictures, and the trace of each."""
    visit(page, edge, "/phone")

    press(page, "Pull to refresh")

    page.wait("document.querySelector('#total').textContent.startsWith('first feed after')", timeout_s=20)
    assert page.run("document.querySelectorAll('.post').length") >= 3
    assert page.run("[...document.querySelectorAll('.post img')].some((image) => image.naturalWidth > 0)")
    assert page.run("document.querySelectorAll('#felt .fall .span').length") >= 12
    nothing_went_wrong(page)


def test_the_labs_are_listed_with_their_questions(edge: Edge, page: Page) -> None:
    """A card for each, and a place for the guess."""
    visit(page, edge, "/lab")
    page.wait("document.querySelectorAll('article.card').length >= 20")

    page.open(address(edge, "/lab?name=one-or-many", token=False))

    page.wait("document.querySelector('input[name=guess]')")
    assert "Predict" in page.text()
    nothing_went_wrong(page)


def test_a_lab_is_predicted_run_drawn_and_reported(edge: Edge, page: Page) -> None:
    """On an edge of its own: the one that we look at is not touched."""
    visit(page, edge, "/lab")
    page.open(address(edge, "/lab?name=cold-warm-resumed", token=False))
    page.wait("document.querySelector('input[name=guess]')")

    page.run("document.querySelector('input[name=guess]').value = 'three times'")
    page.run("document.querySelector('#run').click()")

    page.wait("document.querySelectorAll('#charts svg polyline').length >= 4", timeout_s=60)
    page.wait(
        "document.querySelector('#verdict').textContent.includes('every expectation held')", timeout_s=60
    )
    run = page.wait("document.querySelector('#report a')?.getAttribute('href')")
    page.open(address(edge, str(run), token=False))
    assert "three times" in page.text()
    assert page.run("document.querySelectorAll('svg.plot').length") >= 3
    assert page.console == []


def test_without_the_token_nothing_can_be_changed(edge: Edge, tmp_path: Path) -> None:
    """Looking is free; the page says why a button did nothing."""
    with chromium(tmp_path) as stranger:
        stranger.open(address(edge, "/", token=False))
        choose(stranger, "feed-1")
        press(stranger, "Kill -9")

        pid = edge.live()["feed-1"]
        assert stranger.wait("document.querySelector('#toast').textContent.includes('token')")
        time.sleep(0.2)
        assert edge.live()["feed-1"] == pid
        assert "read only" in stranger.text()
