"""The one-file waterfall."""

from html.parser import HTMLParser

from hypothesis import given

from edge.common.spans import Span
from edge.phone.page import export
from edge.phone.span_tree import build
from edge.phone.waterfall import waterfall
from tests.kit.traces import ROOT, cold_feed, span
from tests.phone.strategies import UNTIMED, traces

VOID = {"meta", "br", "link", "img"}
FETCHES = {"src", "href", "srcset", "action", "data", "poster"}


class Reader(HTMLParser):
    """Notes what is open, what is fetched, and what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in FETCHES]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(spans: list[Span]) -> str:
    model = waterfall(build(spans, ROOT), with_stages=True)
    return export(model, {one.span_id: one for one in spans})


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_the_page_needs_no_other_file_and_no_script() -> None:
    """It is mailed, and opened in a train."""
    text = page_of(cold_feed())
    reader = read(text)

    assert reader.fetched == []
    assert "script" not in reader.tags
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_every_row_opens_to_its_span_and_source() -> None:
    """A bar is a beginning; the reader wants to know who says so."""
    text = page_of(cold_feed())
    model = waterfall(build(cold_feed(), ROOT), with_stages=True)

    assert read(text).tags.count("details") == len(model.rows)
    assert "edge/l7/stages/waf.py" in text


def test_a_screen_reader_hears_each_bar() -> None:
    """A picture without words is nothing to those who cannot see it."""
    assert 'aria-label="ranking-1 GET /ranking: from 11.50 ms for 14.60 ms"' in page_of(cold_feed())


def test_what_a_phone_sent_cannot_become_markup() -> None:
    """The attack of a trace must not attack its reader."""
    evil = "<script>alert(1)</script>\"'>"
    spans = [
        span(ROOT, "", "phone", 0, 100, service="phone", url__full=evil),
        span("a", ROOT, evil, 10, 90, service="edge-l7", instance=evil, edge__why=evil, error=evil),
    ]

    assert "script" not in read(page_of(spans)).tags


@UNTIMED
@given(traces())
def test_any_trace_makes_a_page(spans: list[Span]) -> None:
    """Whatever the processes told."""
    read(page_of(spans))
