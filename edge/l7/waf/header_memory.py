"""What have the rules to say about these headers?

Headers, cookies aside, repeat from request to request: a phone sends the same ten lines each time, and a
thousand phones of one make send the same nine.  So three things are remembered by exact bytes: which rules
may match one line, what holds for the names of a block of them, and what for the whole block.

State: lines, names and blocks within their bytes, the oldest forgotten first."""

from dataclasses import dataclass
from typing import Final

from edge.l7.waf.compiled import Step
from edge.l7.waf.engine import Run, evaluate
from edge.l7.waf.form import Phase, Target
from edge.l7.waf.matcher import Watch
from edge.l7.waf.ordinary import are_ordinary
from edge.l7.waf.plan import COOKIE, PhasePlan, Plan, reads_only
from edge.l7.waf.prefilter import Spot, Suspects
from edge.l7.waf.remembered import BYTES_OBJECT_BYTES, TUPLE_BYTES, Remembered, headers_bytes
from edge.l7.waf.request import Headers, WafRequest
from edge.l7.waf.variables import Transaction

# 4,000 lines, and the blocks of 1,000 makes of phones that have no line in common.
LINES_BYTES_MAX: Final = 2 << 20
BLOCKS_BYTES_MAX: Final = 3 << 20
NAMES_BYTES_MAX: Final = 1 << 18
SET_BYTES: Final = 216

_HEADERS: Final = frozenset(("REQUEST_HEADERS", "REQUEST_HEADERS_NAMES"))
_COOKIE_NAME: Final = (COOKIE, b"")

Line = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Block:
    """One block of headers.

    `spots`: rules that may match in it; `quiet`: phases whose rules about headers alone have nothing to say,
    as long as no other rule has; `silent`: nor has any rule about headers or a body in the phases of a
    request, if there is no body; `asked`: rules that may have all the same; `ordinary`: the method and the
    protocol are (see there)."""

    spots: frozenset[Spot]
    quiet: frozenset[Phase]
    silent: bool
    asked: tuple[Step, ...]
    ordinary: bool


class HeaderMemory:
    """Knows the headers of one rule set."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lines = Remembered(LINES_BYTES_MAX, _line_bytes)
        self._blocks = Remembered(BLOCKS_BYTES_MAX, _block_bytes)
        self._names = Remembered(NAMES_BYTES_MAX, _names_bytes)

    def block(self, request: WafRequest, watch: Watch | None = None, *, hostile: bool = False) -> Block:
        """What holds for the headers of `request`.  Raises `TooDear`."""
        # The Cookie line goes with the content, which is new each time anyway; that there is one is a header.
        lines = tuple([line if line[0] != COOKIE else _COOKIE_NAME for line in request.headers])
        key = (lines, request.method, request.protocol)
        known = self._blocks.get(key)
        if known is None:
            known = self._new_block(request, lines, watch, hostile)
            self._blocks.remember(key, known)
        return known

    def _new_block(self, request: WafRequest, lines: Headers, watch: Watch | None, hostile: bool) -> Block:
        spots: set[Spot] = set()
        if self._plan.lines:
            fresh: list[Line] = []
            for line in lines:
                known = self._lines.get(line)
                if known is None:
                    fresh.append(line)
                else:
                    spots |= known
            if fresh:
                spots |= self._new_lines(fresh, watch, hostile)
        transaction = Transaction(request)
        phases = self._plan.phases
        names = tuple([name for name, _ in lines])
        quiet = self._names.get(names)
        if quiet is None:
            quiet = frozenset(n for n, one in phases.items() if _is_quiet(one, one.of_names, transaction))
            self._names.remember(names, quiet)
        quiet = frozenset(n for n in quiet if _is_quiet(phases[n], phases[n].of_lines, transaction))
        silent = not spots and all(
            number in quiet and _is_quiet(planned, planned.bodiless, transaction)
            for number, planned in phases.items()
            if number <= 2
        )
        asked = tuple(step for step in self._plan.asked if not _is_ruled_out(step, transaction))
        ordinary = are_ordinary([request.method.encode("latin-1"), request.protocol.encode("latin-1")])
        return Block(frozenset(spots), quiet, silent, asked, ordinary)

    def _new_lines(self, lines: list[Line], watch: Watch | None, hostile: bool) -> set[Spot]:
        # All at once: to search twenty short texts takes four times as long as one that holds them.
        suspects: Suspects = {}
        pieces = dict.fromkeys(piece for line in lines for piece in line if piece)
        plain: list[bytes] = []
        odd: list[bytes] = []
        for piece in pieces:
            (plain if are_ordinary([piece]) else odd).append(piece)
        for some in (plain, odd):
            found = self._plan.lines.candidates(some, watch, hostile=hostile, ordinary=some is plain)
            for spot, values in found.items():
                suspects.setdefault(spot, set()).update(values)
        every: set[Spot] = set()
        for line in lines:
            known = self._of_line(line, suspects)
            self._lines.remember(line, known)
            every |= known
        return every

    def _of_line(self, line: Line, suspects: Suspects) -> frozenset[Spot]:
        name, value = line
        alone = Transaction(WafRequest("", "", b"", "", (line,)))
        return frozenset(
            spot
            for spot, values in suspects.items()
            if (name in values or value in values)
            and _covers(self._plan.names_of[spot], name)
            and _says(self._plan.step(spot), alone)
        )


def _line_bytes(line: Line, _: frozenset[Spot]) -> int:
    return SET_BYTES + headers_bytes((line,))


def _names_bytes(names: tuple[bytes, ...], _: frozenset[Phase]) -> int:
    return SET_BYTES + TUPLE_BYTES + sum(BYTES_OBJECT_BYTES + 8 + len(name) for name in names)


def _block_bytes(key: tuple[Headers, str, str], block: Block) -> int:
    return 3 * TUPLE_BYTES + SET_BYTES + headers_bytes(key[0]) + 8 * len(block.asked)


def _is_quiet(planned: PhasePlan, positions: list[int], transaction: Transaction) -> bool:
    trial = Run(Transaction(transaction.request), stop_on_block=False)
    for position in positions:
        step = planned.folded.steps[position]
        trial.transaction.tx = step.snapshot
        trial.transaction.tx_shared = True
        if step.is_silent(trial.transaction):
            continue
        if evaluate(step, trial) or trial.dirty:
            return False
    return True


def _is_ruled_out(step: Step, transaction: Transaction) -> bool:
    """Whether a link that looks at headers alone shows that the rule does not match."""
    return any(
        link.is_silent(transaction)
        for link in step.proofs
        if link.stands_alone() and reads_only(link.link, ("head",))
    )


def _says(step: Step, transaction: Transaction) -> bool:
    """Whether the first link of the rule matches something in a header.  Worth asking once: the line will
    come again."""
    return any(found[0] in _HEADERS for found in step.links[0].matches(transaction))


def _covers(targets: tuple[Target, ...], name: bytes) -> bool:
    return any(target.key is None or target.key == name for target in targets)
