"""How long is "2m"?"""

import pytest

from edge.cli.fault import duration_s
from edge.cli.hub import CommandRefused


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30.0), ("2m", 120.0), ("500ms", 0.5), ("1.5", 1.5)])
def test_durations_are_as_people_write_them(text: str, seconds: float) -> None:
    """With a unit, or in seconds."""
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "2h", "one", "3 weeks", "1ss"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A fault of an unknown length is one that nobody wanted."""
    with pytest.raises(CommandRefused):
        duration_s(text)
