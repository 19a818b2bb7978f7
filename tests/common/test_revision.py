"""A revision names exactly one configuration."""

import pytest

from edge.common import revision
from edge.common.config import Config, PopConfig
from edge.common.config import Place as At
from edge.common.errors import ConfigError

CONFIG = Config(pop=(PopConfig(name="mumbai", address="127.0.1.1", place=At(north=19.1, east=72.9)),))


def test_a_configuration_survives_the_wire() -> None:
    """Every process serves under the same values."""
    assert revision.decode(revision.encode(CONFIG)) == CONFIG


def test_the_same_values_have_the_same_name_and_others_another() -> None:
    """The name in a log line tells under which values a request was served."""
    same = revision.decode(revision.encode(CONFIG))

    assert revision.name(revision.encode(same)) == revision.name(revision.encode(CONFIG))
    assert revision.name(revision.encode(Config())) != revision.name(revision.encode(CONFIG))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x07", b"\x81\xa5https\xa1x"])
def test_bytes_that_are_no_configuration_are_refused(data: bytes) -> None:
    """A process keeps what it has rather than serve under rubbish."""
    with pytest.raises(ConfigError):
        revision.decode(data)
