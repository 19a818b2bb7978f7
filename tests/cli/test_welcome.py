"""The first thing that a newcomer reads."""

from edge.cli.app import WORDS
from edge.cli.welcome import welcome
from edge.common.config import Config, Place, PopConfig

PLACE = Place(north=19.08, east=72.88)
CONFIG = Config(
    pop=(
        PopConfig(name="mumbai", address="127.0.1.1", place=PLACE),
        PopConfig(name="singapore", address="127.0.2.1", place=PLACE),
    )
)
PLACES = {
    "l4-mumbai-a": {"https": "127.0.1.1:9443", "http": "127.0.1.1:9080"},
    "console": {"console": "127.0.0.1:9100"},
    "dns-1": {"udp": "127.0.0.1:5400"},
}


def test_it_says_where_things_really_are() -> None:
    """On the ports that were taken, in one column; what does not listen is not made up."""
    lines = welcome(CONFIG, PLACES, "sesame", "run/ca.pem", 24, 2.94).splitlines()

    assert "the edge is ready: 24 processes in 2.9 s" in lines
    assert "  dns        127.0.0.1:5400  (i.edge.test)" in lines
    assert "  mumbai     https://127.0.1.1:9443  http://127.0.1.1:9080" in lines
    assert "  singapore  https://?  http://?" in lines
    assert "  console    http://127.0.0.1:9100/#token=sesame" in lines
    assert "  trust      run/ca.pem" in lines


def test_without_a_console_none_is_promised() -> None:
    """An address that opens nothing is the first thing that somebody would try."""
    assert "console  " not in welcome(CONFIG, {}, "", "run/ca.pem", 24, 2.0)


def test_the_first_commands_exist() -> None:
    """They are typed as they stand."""
    told = welcome(CONFIG, PLACES, "sesame", "run/ca.pem", 24, 2.0)
    commands = [line.split("#")[0].split() for line in told.splitlines() if line.startswith("  edge ")]

    assert len(commands) == 4
    for _, word, *_ in commands:
        assert word in WORDS
