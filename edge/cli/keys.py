"""Turn pages with the arrow keys.  [I/O]

Only where a person sits on both ends: stdin gives the keys, stdout shows the page.
The terminal is put back into its own mode whatever happens.
"""

import os
import sys
import termios
import tty

_HOME, _CLEAR_BELOW = "\x1b[H", "\x1b[J"
# What terminals send: xterm's and the application mode's arrows, vi's letters, a pager's space.
_NEXT = {b"\x1b[C", b"\x1bOC", b"\x1b[B", b"\x1bOB", b"\r", b"\n", b" ", b"n", b"l", b"j"}
_BACK = {b"\x1b[D", b"\x1bOD", b"\x1b[A", b"\x1bOA", b"\x7f", b"p", b"b", b"h", b"k"}
_FIRST = {b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"g"}
_LAST = {b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"G"}
_LEAVE = {b"q", b"\x1b", b"\x03", b"\x04", b""}
# The longest sequence above; a key is read in one piece.
_KEY_BYTES_MAX = 8


def is_interactive() -> bool:
    """Is there a person who can press a key and see what it does?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def turned(at: int, key: bytes, count: int) -> int | None:
    """The page after `key` on page `at` of `count`; None: leave.  Enter on the last page leaves."""
    if key in _LEAVE or (key in (b"\r", b"\n") and at == count - 1):
        return None
    if key in _NEXT:
        return min(count - 1, at + 1)
    if key in _BACK:
        return max(0, at - 1)
    if key in _FIRST:
        return 0
    return count - 1 if key in _LAST else at


def turn_pages(pages: list[str], hint: str) -> None:
    """Show `pages` one at a time until the person leaves."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    at: int | None = 0
    try:
        tty.setcbreak(keyboard)
        while at is not None and pages:
            sys.stdout.write(f"{_HOME}{_CLEAR_BELOW}{pages[at]}\n\n  {hint}\n")
            sys.stdout.flush()
            at = turned(at, os.read(keyboard, _KEY_BYTES_MAX), len(pages))
    except KeyboardInterrupt:
        pass  # Ctrl-C leaves, as q does
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
