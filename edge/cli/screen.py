"""How do we show things: to a person's terminal, or to a pipe?  [I/O]

One rule for every word of the command line: colour and boxes only where stdout
is a terminal and NO_COLOR is not set (https://no-color.org); otherwise aligned
plain text that `grep` and `awk` like.  rich is imported only when it draws.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import orjson

# Wide enough for the waterfall, narrow enough for a page of a book.
PIPE_COLUMNS = 120
COLUMNS_MIN = 60
COLUMNS_MAX = 200


def is_colourful() -> bool:
    """Is there a person's terminal behind stdout, and do they like colours?"""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """How wide a line may be."""
    wanted = shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns
    return max(COLUMNS_MIN, min(COLUMNS_MAX, wanted))


def paint(text: str, style: str) -> str:
    """`text` in an SGR style such as "1", "31" or "38;5;33", where there is colour."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text and is_colourful() else text


def say_json(value: Any) -> None:
    """`value` as indented JSON, and nothing else, on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def say_text(text: str) -> None:
    """`text` as UTF-8, and nothing else, on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """A table; `styles[i]`, where given, is the SGR style of row `i`."""
    for line in table_lines(head, rows, styles):
        print(line)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> list[str]:
    """The lines of a table: columns two spaces apart, numbers to the right."""
    widths = [max([len(title), *(len(row[at]) for row in rows)]) for at, title in enumerate(head)]
    right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if on_right else cell.ljust(width)
            for cell, width, on_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    lines = [paint(line(head), "1")]
    for at, row in enumerate(rows):
        lines.append(paint(line(row), styles[at] if at < len(styles) else ""))
    return lines


def _is_number(cell: str) -> bool:
    return cell in ("", "-") or cell.lstrip("+-").replace(".", "", 1).replace(",", "").isdigit()
