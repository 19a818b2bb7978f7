"""The tour's generated pieces."""

import re
from pathlib import Path

import pytest

from edge.cli.app import WORDS
from edge.cli.tour_text import LINES_MAX, missing, pieces, replaced, tidy

ROOT = Path(__file__).parents[2]
TOUR = (ROOT / "docs" / "tour.md").read_text()
SMALL = "a\n<!-- edge: dig --from 'x y'\n     shows: mumbai | km -->\n```text\nold\n```\nb\n"


def test_a_piece_is_a_command_and_the_words_it_has_to_show() -> None:
    """Quoted as in a shell."""
    [piece] = pieces(SMALL)

    assert piece.command == ("dig", "--from", "x y")
    assert piece.shows == ("mumbai", "km")
    assert missing(piece, "mumbai, 920") == ["km"]


def test_only_the_output_is_replaced() -> None:
    """The prose around it is a person's."""
    assert replaced(SMALL, ["new\n\x1b[31mred\x1b[0m  \n"]) == SMALL.replace("old", "new\nred")


def test_output_cannot_break_out_of_its_fence() -> None:
    """A page is Markdown, and a command may print anything."""
    assert "```" not in tidy("```\n# boo")
    assert len(tidy("x\n" * 500).splitlines()) == LINES_MAX


@pytest.mark.parametrize("piece", pieces(TOUR), ids=lambda piece: " ".join(piece.command))
def test_the_tour_shows_what_it_promises(piece: object) -> None:
    """The committed output holds the words, and the command is one of ours."""
    assert missing(piece, piece.output) == []  # type: ignore[attr-defined, arg-type]
    assert piece.command[0] in WORDS  # type: ignore[attr-defined]


def test_every_file_that_the_tour_names_exists() -> None:
    """A reader who is sent to a file that has moved is lost."""
    named = set(re.findall(r"`((?:edge|services|labs|docs)/[\w/.-]*)`", TOUR))

    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_stop_has_something_to_read() -> None:
    """See it, read it, try it."""
    stops = TOUR.split("\n## ")[1:]

    assert len(stops) >= 9
    assert [stop.splitlines()[0] for stop in stops if "Read:" not in stop] == []
