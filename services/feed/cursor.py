"""Where does the next page begin?

The feed is cut into windows of `WINDOW` posts by time; a window is ranked as a
whole and handed out `PAGE` posts at a time.  A cursor therefore says which
window (the post that ended the one before), how far into it, and the moment the
reader began: ages are counted from that moment, so the ranking of a window is
the same on its second page as it was on its first, and no post is shown twice
or left out.  `max_id` is this cursor in Instagram's clothes.
"""

from dataclasses import dataclass

from edge.common.http_messages import Refusal, whole_number

PAGE = 12
WINDOW = 36


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in somebody's feed."""

    began_unix: int  # when the reader opened the feed
    taken_before: int  # the window begins with the newest post that sorts before
    author_before: int  # (taken_before, author_before)
    offset: int  # posts of the window already handed out

    def text(self) -> str:
        """The cursor as `next_max_id`."""
        return f"{self.began_unix}.{self.taken_before}.{self.author_before}.{self.offset}"

    def is_top(self) -> bool:
        """Is this the very first page?"""
        return self.offset == 0 and self.taken_before == self.began_unix and self.author_before == 0

    def after(self, handed_out: int, window: list[tuple[int, int]]) -> "Cursor | None":
        """The next page's cursor; None at the end.  `window`: (taken_at, author), newest first."""
        offset = self.offset + handed_out
        if offset < len(window):
            return Cursor(self.began_unix, self.taken_before, self.author_before, offset)
        if len(window) < WINDOW:
            return None
        taken_at, author = window[-1]
        return Cursor(self.began_unix, taken_at, author, 0)


def first(unix_now: int) -> Cursor:
    """The top of the feed."""
    return Cursor(unix_now, unix_now, 0, 0)


def parse(text: str) -> Cursor:
    """The cursor in `text`.  Raises a 400 `Refusal` for what we never handed out."""
    numbers = [whole_number(part, 12) for part in text.split(".")]
    if len(numbers) != 4 or None in numbers:
        raise Refusal(400, "bad-cursor", "max_id is the next_max_id of the page before")
    began, taken, author, offset = (number or 0 for number in numbers)
    if offset >= WINDOW or taken > began:
        raise Refusal(400, "bad-cursor", "max_id is the next_max_id of the page before")
    return Cursor(began, taken, author, offset)
