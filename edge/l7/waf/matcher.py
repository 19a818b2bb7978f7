r"""Which of many patterns occur in this text?

Two ways with the same answer.  One RE2 set of all patterns is the fastest matcher for ordinary text (2 ns a
byte) and the slowest for text unlike any seen before, where every byte may build a new state of the whole
program (10-40 us a byte).  `re2.Filter`, which looks for literal pieces first and then runs single patterns,
costs a tenth of a microsecond a byte on any text.

What is hostile cannot be told by looks: JSON and Cyrillic are odd and ordinary, a list of SQL words is plain
and dear.  So a set is given a text in growing prefixes (what it has been through once it goes through again
at no cost), and each step is timed.  When one is slow, `TooDear` is raised, and whoever asked starts again
with filters.  The price of finding out is one step."""

from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial
from typing import Final

import re2

from edge.l7.waf.regex import (
    PATTERN_MEMORY_BYTES,
    SET_MEMORY_BYTES,
    Pattern,
    fitting,
    options,
)

# Each byte of hostile text makes a new state, and a state takes as long as there are patterns: 0.1 to 0.2 us
# each in the mean of a text (34 us with the 204 of CRS 4.28, 22 with 132, 6 with 63), three times that in the
# worst one tried.  So a step takes a millisecond, and two and a half at most.
STEP_BYTES_BY_PATTERNS: Final = 4000
# What a set takes, by the size of its patterns: 45 to 55 times that.  To find out by trying made the load of
# the Core Rule Set a third longer.
SET_MEMORY_BY_SOURCE: Final = 45
# So many are asked one by one.  What is made for few is unlike any other text (what base64 hid), and filled
# the automaton of all literal pieces, which takes 10 MB then and cannot be told to take less.
FEW_PATTERNS: Final = 4
# Longer texts go to the filter: going through prefixes is quadratic.
SET_BYTES_MAX: Final = 8 * 1024
STEPS_MAX: Final = 64
# An ordinary step takes 2 us.
SLOW_STEP_S: Final = 0.0005
# No step is slow, and all together they are: thirty of a third of a millisecond took 9 ms, after the set had
# forgotten its states; the filters take five for such a text in all its forms.
SLOW_TEXT_S: Final = 0.002
# For a longer text it is worth a system call to know how much of the time was its own: with such a text
# other things take long as well.
EXACT_BYTES_MIN: Final = 1024

# So old may be what was read from a thread's own clock: half of the shortest time that is measured with it.
OWN_CLOCK_AGE_S: Final = SLOW_STEP_S / 2
_NO_LIMIT: Final = float("inf")


Clock = Callable[[], float]


class TooDear(Exception):
    """Searching this text with a set takes too long."""


class Watch:
    """Measures one inspection.

    `clock` is any clock that does not stop; `cpu` (seconds of this thread) is asked only when that one says
    that it took long: on a busy machine others may have used the time.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_cpu",
        "_own_at",
        "_own_began",
        "_own_step_began",
        "_step_began",
        "_text_began",
        "limit_s",
    )

    def __init__(self, clock: Clock, cpu: Clock | None = None) -> None:
        self._clock, self._cpu = clock, cpu
        self._own_at = _NO_LIMIT
        self._own_began = 0.0
        self.begin(clock())

    def begin(self, now: float, limit_s: float = _NO_LIMIT) -> None:
        """Another inspection begins now, in the same thread.  `limit_s`: it is in a hurry, and after so long
        every step is slow."""
        self.limit_s = limit_s
        self._began = self._step_began = self._text_began = now
        # A thread's own clock is a system call: 1 us in a loop, several where caches are cold.  One that is a
        # little old makes an inspection look that much longer than it was.
        if self._cpu is not None and not 0 <= now - self._own_at <= OWN_CLOCK_AGE_S:
            self._own_at, self._own_began = now, self._cpu()
        self._own_step_began = self._own_began

    def used_up(self, budget_s: float) -> bool:
        """Whether the inspection has taken more than `budget_s`."""
        if self._clock() - self._began <= budget_s:
            return False
        return self._cpu is None or self._cpu() - self._own_began > budget_s

    @property
    def in_hurry(self) -> bool:
        """Whether there is a limit after which the inspection is given up."""
        return self.limit_s != _NO_LIMIT

    def is_impatient(self) -> bool:
        """Whether an inspection in a hurry has taken too long, by its own time, or by twice as much of
        everybody's: then it waits for the interpreter, and others wait for it."""
        return self._clock() - self._began > 2 * self.limit_s or self.used_up(self.limit_s)

    def begin_steps(self, size: int) -> None:
        """A text of `size` bytes is about to be searched in steps."""
        if size > EXACT_BYTES_MIN and self._cpu is not None:
            self._own_step_began = self._cpu()
        self._step_began = self._text_began = self._clock()

    def is_slow(self) -> bool:
        """Whether this step was slow; the next one begins."""
        before, now = self._step_began, self._clock()
        self._step_began = now
        if now - self._began > self.limit_s and self.is_impatient():
            return True
        if now - before <= SLOW_STEP_S and now - self._text_began <= SLOW_TEXT_S:
            return False
        return self._cpu is None or self._cpu() - self._own_step_began > SLOW_STEP_S


class Matcher:
    """Many patterns, one pass."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._step = STEP_BYTES_BY_PATTERNS // len(patterns) + 1
        self._bytes_max = min(SET_BYTES_MAX, STEPS_MAX * self._step)
        likely = SET_MEMORY_BY_SOURCE * sum(map(len, patterns))
        sizes = [size for size in SET_MEMORY_BYTES if size >= likely] or SET_MEMORY_BYTES[-1:]
        self._set = fitting(sizes, partial(_set_of, patterns))
        # The method underneath: the wrapper's own looks cost as much as searching a short text.
        self._match: Callable[[bytes], list[int]] = self._set._set.Match

    def match(self, text: bytes, watch: Watch | None = None) -> list[int]:
        """Indices of the patterns that occur in `text`.  Raises `TooDear` when the text is long, or when
        `watch` finds that the set is slow on it."""
        size = len(text)
        if size > self._bytes_max:
            raise TooDear
        match = self._match
        if watch is None:
            return match(text)
        watch.begin_steps(size)
        for end in range(self._step, size, self._step):
            match(text[:end])
            if watch.is_slow():
                raise TooDear
        found = match(text)
        if watch.is_slow():
            raise TooDear
        return found


class Filter:
    """The same answer for hostile and for long texts: literal pieces first, then single patterns.

    One for all patterns of a rule set.  It keeps each by itself as well (`pattern`), so that nobody has to
    compile one twice: of the Core Rule Set's they take 80 kB each, and up to 9 ms during which nothing else
    in the process runs."""

    def __init__(self, patterns: Iterable[bytes] = ()) -> None:
        self._filter: re2.Filter | None = None
        self._numbers: dict[bytes, int] = {}
        self._patterns: list[Pattern] = []
        self._filtered: list[int] = []
        # The filter's own automaton reads UTF-8 and refuses pieces that are none; those few patterns run
        # alone.
        self._alone: list[int] = []
        for pattern in patterns:
            self.add(pattern)

    def add(self, pattern: bytes) -> int:
        """Look for one more, from before the first text on; its number."""
        number = self._numbers.setdefault(pattern, len(self._patterns))
        if number == len(self._patterns):
            assert self._filter is None, "compiled already"
            self._patterns.append(Pattern(pattern, self.prepare))
        return number

    def prepare(self) -> re2.Filter:
        """Compile all of it now rather than for the first text."""
        if self._filter is not None:
            return self._filter
        made = re2.Filter()
        alone, filtered = [], []
        for number, pattern in enumerate(self._patterns):
            if _is_foreign(pattern.source):
                pattern.settle()
                alone.append(number)
            else:
                fitting(PATTERN_MEMORY_BYTES, partial(_add_to, made, pattern.source))
                filtered.append(number)
        if filtered:
            made.Compile()
        for place, number in enumerate(filtered):
            self._patterns[number].settle(made.re(place))
        self._alone, self._filtered, self._filter = alone, filtered, made
        return made

    def match(self, text: bytes, among: Set[int]) -> list[int]:
        """Numbers of the patterns that occur in `text`, of those in `among`."""
        literal = self._filter or self.prepare()
        patterns = self._patterns
        if len(among) <= FEW_PATTERNS:
            return [number for number in among if patterns[number].found(text)]
        possible = self._alone
        if self._filtered:
            possible = possible + [self._filtered[place] for place in literal.Match(text, True) or ()]
        return [number for number in possible if number in among and patterns[number].found(text)]

    def pattern(self, number: int) -> Pattern:
        """The pattern of this number, for whoever asks whether and where, and for no groups."""
        return self._patterns[number]


def _add_to(made: re2.Filter, pattern: bytes, chosen: re2.Options) -> None:
    chosen.never_capture = True
    made.Add(pattern, chosen)


def _set_of(patterns: Sequence[bytes], chosen: re2.Options) -> re2.Set:
    made = re2.Set.SearchSet(chosen)
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    return made


def _is_foreign(pattern: bytes) -> bool:
    trial = re2.Filter()
    try:
        trial.Add(pattern, options(PATTERN_MEMORY_BYTES[-1]))
        trial.Compile()
    except re2.error:
        return True
    return False
