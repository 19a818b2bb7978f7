"""Which parts of the guided tour are real output, and are they still true?

In `docs/tour.md` a piece that was printed by a command stands under a comment that
names the command and the words that have to be in what it prints:

    <!-- edge: dig --from jaipur
         shows: mumbai | singapore -->
    ```text
    ...
    ```

`edge tour --write` runs every command against the running edge and puts its
output there; a test runs them again and looks for the words in both.  Times
and ids change from run to run; the words are what must not.
"""

import re
import shlex
from dataclasses import dataclass

_PIECE = re.compile(
    r"(<!-- edge: (?P<command>.+?)\n\s+shows: (?P<shows>.+?) -->\n```text\n)(?P<output>.*?)(```\n)", re.DOTALL
)
LINES_MAX = 40
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Piece:
    """One command of the tour and what it printed."""

    command: tuple[str, ...]
    shows: tuple[str, ...]
    output: str


def pieces(text: str) -> list[Piece]:
    """Every generated piece of the tour, in order."""
    return [
        Piece(
            tuple(shlex.split(match["command"])),
            tuple(word.strip() for word in match["shows"].split("|")),
            match["output"],
        )
        for match in _PIECE.finditer(text)
    ]


def replaced(text: str, outputs: list[str]) -> str:
    """The tour with `outputs` in the places of its pieces."""
    waiting = iter(outputs)

    def new(match: re.Match[str]) -> str:
        return f"{match[1]}{tidy(next(waiting))}{match[5]}"

    return _PIECE.sub(new, text)


def tidy(output: str) -> str:
    """What a page can hold: no colours, no trailing blanks, not too many lines, no fence of its own."""
    lines = [
        line.rstrip() for line in _ESCAPES.sub("", output).replace("```", "'''").strip("\n").splitlines()
    ]
    if len(lines) > LINES_MAX:
        lines = [*lines[: LINES_MAX - 1], f"... {len(lines) - LINES_MAX + 1} more lines"]
    return "\n".join(lines) + "\n"


def missing(piece: Piece, output: str) -> list[str]:
    """The words that `output` ought to have and has not."""
    return [word for word in piece.shows if word not in output]
