"""Arrow keys."""

import os
import pty
import sys
import threading

import pytest

from edge.cli.keys import turn_pages, turned


@pytest.mark.parametrize(
    ("at", "key", "page"),
    [
        (0, b"\x1b[C", 1),
        (0, b"\r", 1),
        (1, b"\x1b[D", 0),
        (0, b"\x1b[D", 0),
        (2, b"\x1b[C", 2),
        (2, b"\r", None),
        (1, b"G", 2),
        (2, b"g", 0),
        (1, b"q", None),
        (1, b"\x1b", None),
        (1, b"", None),
        (1, b"x", 1),
    ],
)
def test_a_key_turns_to_its_page(at: int, key: bytes, page: int | None) -> None:
    """Nobody leaves by accident; Enter walks to the end and out."""
    assert turned(at, key, 3) == page


def test_a_person_can_walk_and_gets_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real pseudo-terminal: two steps forward, then q."""
    import termios

    person, terminal = pty.openpty()
    seen = bytearray()

    def press() -> None:
        for key in (b"\x1b[C", b"\x1b[C", b"q"):
            while b"hint" not in seen:
                seen.extend(os.read(person, 4096))
            pages.append(bytes(seen))
            seen.clear()
            os.write(person, key)

    pages: list[bytes] = []
    before = termios.tcgetattr(terminal)
    with open(terminal, closefd=False) as keyboard, open(terminal, "w", closefd=False) as screen:
        monkeypatch.setattr(sys, "stdin", keyboard)
        monkeypatch.setattr(sys, "stdout", screen)
        thread = threading.Thread(target=press, daemon=True)
        thread.start()
        turn_pages(["one", "two", "three"], "hint")
        thread.join(5)
        monkeypatch.undo()

    assert [name in page for page, name in zip(pages, (b"one", b"two", b"three"), strict=True)] == [True] * 3
    assert termios.tcgetattr(terminal)[3] == before[3]
    os.close(person)
    os.close(terminal)
