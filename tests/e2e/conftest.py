"""One whole edge for all tests of a module that only look, or break what heals."""

from collections.abc import Iterator

import pytest

from tests.kit.edges import Edge, running_edge
from tests.kit.phones import Phone


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The default formation on free ports."""
    with running_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture
def phone(edge: Edge) -> Iterator[Phone]:
    """A phone at Mumbai's door, not logged in."""
    calling = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
    yield calling
    calling.hang_up()
