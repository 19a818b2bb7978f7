r"""Which rules can possibly match these values?

Hundreds of patterns over dozens of values are thousands of searches.  Instead, all values are joined into one
text and one RE2 set says in a single pass which patterns occur in it at all.  Only those rules are then
evaluated exactly.

The answer may name too many rules, never too few.  That holds because

* a rule's pattern is tried on exactly the values it would see, after exactly its transformations (every
  distinct outcome of a pipeline is one more text, see `outcomes`);
* values are separated by `\x1e\n` and patterns are compiled in multi-line mode, `$` widened to stand before
  the separator, so `^` and `$` hold at every value's ends; a match across a separator is a false alarm only;
* operators that are no patterns are expressed as patterns that match where they do (`searchable`)."""

from collections.abc import Iterable, Iterator
from typing import Final

from edge.l7.waf.compiled import Step
from edge.l7.waf.form import Phase
from edge.l7.waf.matcher import Filter, Matcher, TooDear, Watch
from edge.l7.waf.ordinary import calm, is_closed, is_foreign
from edge.l7.waf.outcomes import Outcomes
from edge.l7.waf.quiet import Quiet
from edge.l7.waf.regex import Pattern
from edge.l7.waf.searchable import SEPARATOR, crosses_lines

# Phase and position of a rule.
Spot = tuple[Phase, int]
# Rules that may match, and the values in which they may.
Suspects = dict[Spot, set[bytes]]

# To search a shorter ordinary value again costs less than to look up whether it is known: a table of
# thousands of values is rarely in the processor's cache.
SHORT_BYTES: Final = 64
# Of fewer values it is not worth asking which they are.
NARROW_MIN: Final = 4
# More text than this that is new and not ordinary is for the filters from the start.  Decoding alone takes a
# microsecond a byte, and sets were slower on each kind of such text that was tried, prose and JSON included.
ODD_BYTES_MAX: Final = 1024
ODD_VALUES_MAX: Final = 32
WINDOW_BYTES: Final = 512


class Group:
    """Patterns that share their texts and a matcher; the filter they share with other groups."""

    def __init__(
        self, separator: bytes = SEPARATOR, everything: Filter | None = None, *, calm: bool = False
    ) -> None:
        self._patterns: list[bytes] = []
        self._spots: list[Spot] = []
        # Numbers in the filter, and back: two rules may have one pattern.
        self._numbers: list[int] = []
        self._indices: dict[int, list[int]] = {}
        self._separator = separator
        self._outcomes = Outcomes(separator, calm=calm)
        self._matcher: Matcher | None = None
        self._everything = everything or Filter()

    def add(self, spot: Spot, pattern: bytes, names: tuple[str, ...], *, every_stage: bool) -> None:
        """Let the rule at `spot` be found by `pattern` in what these transformations make."""
        self._outcomes.plant(len(self._patterns), names, every_stage)
        self._patterns.append(pattern)
        number = self._everything.add(pattern)
        self._numbers.append(number)
        self._indices.setdefault(number, []).append(len(self._spots))
        self._spots.append(spot)

    def prepare(self) -> None:
        """Build the matcher now rather than for the first phone that needs it."""
        self._matcher = self._matcher or Matcher(self._patterns)

    def search(self, values: list[bytes], watch: Watch | None = None) -> Suspects:
        """Rules that may match some of `values`, and which of them.  Raises `TooDear`."""
        matcher = self._matcher
        if matcher is None:
            matcher = self._matcher = Matcher(self._patterns)
        suspects: Suspects = {}
        for text, made_for in self._outcomes.of(values).items():
            found = matcher.match(text, watch)
            if not found:
                continue
            # A pattern may be in a text that its rule does not look at: it was made for others.
            wanted = [index for index in found if any(index in members for members in made_for)]
            pieces = text.split(self._separator) if len(values) >= NARROW_MIN else ()
            if len(pieces) != len(values):
                for index in wanted:
                    suspects.setdefault(self._spots[index], set()).update(values)
                continue
            for value, piece in zip(values, pieces, strict=True) if wanted else ():
                for index in matcher.match(piece, watch):
                    if index in wanted:
                        suspects.setdefault(self._spots[index], set()).add(value)
        return suspects

    def search_hostile(self, values: list[bytes]) -> Suspects:
        """The same answer in a way that copes with any text.

        Each text is searched for the patterns that look at it and no others.  With all patterns on every text
        8 kB of pieces of attacks took 28 ms.
        """
        suspects: Suspects = {}
        everything, separator = self._everything, self._separator
        for text, made_for in self._outcomes.of(values).items():
            narrow = len(values) >= NARROW_MIN and text.count(separator) == len(values) - 1
            members = frozenset().union(*made_for)
            among = set(map(self._numbers.__getitem__, members))
            for number in everything.match(text, among):
                found: Iterable[bytes] = values
                if narrow:
                    places = occurrences(everything.pattern(number), text, separator)
                    found = [values[place] for place in places]
                for index in self._indices[number]:
                    if index in members:
                        suspects.setdefault(self._spots[index], set()).update(found)
        return suspects


class Screen:
    """Everything that looks at one class of values, and what of it has nothing to say to a value."""

    def __init__(self, everything: Filter | None = None) -> None:
        """`everything`: the filter of all screens of a rule set."""
        self._everything = everything or Filter()
        # By whether their patterns cross lines, and by transformations that make text unlike any other:
        # such text would only mislead other rules' patterns.
        self._groups: dict[tuple[bool, tuple[str, ...]], Group] = {}
        # Who is to be asked about ordinary text.
        self._calm: dict[tuple[bool, tuple[str, ...]], Group] = {}
        self._quiet = Quiet()
        self._decodes = False  # value by value, whatever they are

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, spot: Spot, step: Step, pattern: Pattern) -> None:
        """Let the rule at `spot` be found by `pattern`."""
        link = step.links[0]
        names = tuple(name for name in link.pipeline.names if name != "none")
        closed = is_closed(names)
        kind = (crosses_lines(pattern), () if closed else names)
        separator = SEPARATOR[:1] if kind[0] else SEPARATOR
        if kind not in self._groups:
            self._groups[kind] = Group(separator, self._everything)
        self._groups[kind].add(spot, pattern.source, names, every_stage=link.multi)
        if not closed:
            self._decodes = True
            self._calm[kind] = self._groups[kind]
        elif not is_foreign(pattern.source):
            if kind not in self._calm:
                # Hostile text never comes there, so the filter that would be its own is never compiled.
                self._calm[kind] = Group(separator, calm=True)
            self._calm[kind].add(spot, *calm(pattern.source, names), every_stage=link.multi)

    def prepare(self) -> None:
        """Build all matchers."""
        self._everything.prepare()
        for group in (*self._groups.values(), *self._calm.values()):
            group.prepare()

    def minds(self, *, ordinary: bool) -> bool:
        """Whether anybody here looks at such text."""
        return bool(self._calm if ordinary else self._groups)

    def candidates(
        self,
        values: Iterable[bytes],
        watch: Watch | None = None,
        *,
        hostile: bool = False,
        ordinary: bool = False,
    ) -> Suspects:
        """Rules that may match one of `values`; `ordinary`: which are (see there).

        Raises `TooDear` when there is much of them or `watch` finds that this takes too long; `hostile` takes
        the way that copes with any text.
        """
        suspects: Suspects = {}
        groups = self._calm if ordinary and not hostile else self._groups
        short: list[bytes] = []
        if ordinary and not self._decodes:
            values = dict.fromkeys(values)
            short = [value for value in values if len(value) < SHORT_BYTES]
            values = [value for value in values if len(value) >= SHORT_BYTES]
        fresh = self._quiet.unknown(values)
        looked_at = short + fresh
        if not (ordinary or hostile) and _is_much(fresh):
            raise TooDear
        if looked_at:
            for group in groups.values():
                # Each rule is in one group.
                found = group.search_hostile(looked_at) if hostile else group.search(looked_at, watch)
                if found:
                    suspects |= found
            if fresh and not suspects:
                self._quiet.learn(fresh)
        return suspects


def _is_much(values: list[bytes]) -> bool:
    return len(values) > ODD_VALUES_MAX or sum(map(len, values)) > ODD_BYTES_MAX


def occurrences(pattern: Pattern, text: bytes, separator: bytes) -> Iterator[int]:
    """Numbers of the values in joined `text` in which a match begins or goes on.

    From the start of each value the leftmost match is looked for, among the values of the next
    `WINDOW_BYTES`, so that a pattern which would read on to the end does not do so for each value.
    """
    number, at = 0, 0
    while at <= len(text):
        stop = text.find(separator, at + WINDOW_BYTES)
        if stop == -1:
            stop = len(text)
        # `$` stands behind the first byte of the separator.
        found = pattern.span(text, at, min(stop + 1, len(text)))
        if found is None:
            number += text.count(separator, at, stop) + 1
            at = stop + len(separator)
            continue
        begin, end = found
        number += text.count(separator, at, begin)
        # A match may begin in the middle of a separator.
        begin = max(at, begin - len(separator) + 1)
        yield from range(number, number + text.count(separator, begin, end) + 1)
        following = text.find(separator, begin)
        if following == -1:
            return
        number, at = number + 1, following + len(separator)
