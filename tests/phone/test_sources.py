"""Every sentence about a request can be checked in a file, so the file must be there."""

from pathlib import Path

import pytest

from edge.common.spans import CLIENT, SERVER
from edge.l7.pipeline import ORDER
from edge.phone.sources import NOWHERE, Source, every_source, source_of
from tests.kit.traces import cold_feed, span

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source", every_source(), ids=lambda source: source.path)
def test_every_file_that_is_named_exists(source: Source) -> None:
    """A file that was renamed would send the reader nowhere."""
    assert (ROOT / source.path).is_file()


@pytest.mark.parametrize("stage", ORDER)
def test_every_stage_of_l7_has_a_file_of_its_own(stage: str) -> None:
    """A new stage must be added to the table: "the connection did it" is no answer."""
    found = source_of(span("a", "", f"l7.{stage}", 0, 1, service="edge-l7"))

    assert stage in found.path or stage == "cache"
    assert "connection" not in found.path


@pytest.mark.parametrize("service", [path.parent.name for path in ROOT.glob("services/*/service.py")])
def test_every_service_is_known(service: str) -> None:
    """So that its part of a story has a source, too."""
    assert source_of(span("a", "", "GET /", 0, 1, service=service, kind=SERVER)).path == (
        f"services/{service}/service.py"
    )


def test_a_whole_feed_has_no_span_without_a_source() -> None:
    """Phone, DNS, L4, TLS, stages, queue, tries and services."""
    assert [one.name for one in cold_feed() if source_of(one) == NOWHERE] == []


def test_who_asks_and_who_answers_have_different_sources() -> None:
    """L7 picks an endpoint in one file, a service calls its neighbours from another."""
    by_l7 = source_of(span("a", "", "GET feed-2", 0, 1, service="edge-l7", kind=CLIENT))
    by_feed = source_of(span("a", "", "GET /rank", 0, 1, service="feed", kind=CLIENT))

    assert by_l7.path == "edge/l7/upstream/cluster.py"
    assert by_feed.path == "edge/common/http_client.py"


def test_an_application_of_somebody_else_has_none() -> None:
    """We do not pretend to know it."""
    assert source_of(span("a", "", "GET /", 0, 1, service="my-rails", kind=SERVER)) is NOWHERE
