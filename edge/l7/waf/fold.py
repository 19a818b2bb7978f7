"""What is known about a rule before any request arrives?

Most rules of a Core Rule Set are administration: set a default, compare a paranoia level, add up sums that
are zero.  They read transaction variables only, so their outcome is known at load for a *clean* request, one
on which no rule that looks at the request has matched yet.  This module plays that clean run once and sorts
the steps:

* *always*: looks at the request, has to be evaluated each time;
* *known*: reads only variables; evaluated only once the request is no longer clean;
* *gone*: cannot matter for any request (a paranoia gate that is shut, and everything it skips; a rule that
  only writes what nobody reads, see `unread`).

Each remaining step gets the variables as they are at its place in the clean run (`snapshot`), so that the
engine can start in the middle."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.l7.waf.compiled import Step
from edge.l7.waf.engine import Run, evaluate
from edge.l7.waf.form import Link, Macro, Phase
from edge.l7.waf.request import WafRequest
from edge.l7.waf.unread import does_nothing, forget_unread
from edge.l7.waf.variables import COLLECTIONS, Transaction

_NOBODY = WafRequest("", "", b"", "", ())


@dataclass(slots=True)
class Folded:
    """The steps of one phase, sorted; positions count all steps of the phase."""

    steps: list[Step]
    always: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)


def fold(steps_by_phase: dict[Phase, list[Step]], initial: dict[bytes, bytes]) -> dict[Phase, Folded]:
    """Play the clean run and sort the steps of every phase."""
    every = [step for steps in steps_by_phase.values() for step in steps]
    forget_unread(every)
    _mark_private(every)
    changing = _changing(every)
    run = Run(Transaction(_NOBODY), stop_on_block=False)
    run.transaction.tx = dict(initial)
    snapshot = dict(initial)
    out: dict[Phase, Folded] = {}
    for phase, steps in steps_by_phase.items():
        folded = out[phase] = Folded(steps)
        skip_to = shut_to = -1
        for position, step in enumerate(steps):
            if position < shut_to:
                continue
            step.snapshot = snapshot
            if does_nothing(step):
                continue
            if not reads_only_variables(step):
                if position >= skip_to and not _trim(step, changing, run):
                    continue
                if position >= skip_to:
                    folded.always.append(position)
                else:
                    folded.known.append(position)  # the clean run jumps over it; a dirty one may not
                continue
            constant = _reads(step).isdisjoint(changing) and not _reads_pattern(step)
            if position < skip_to:
                folded.known.append(position)
                continue
            found_before = len(run.found)
            matched = evaluate(step, run)
            loud = len(run.found) > found_before and any(
                not match.bookkeeping for match in run.found[found_before:]
            )
            disruptive = matched and step.rule.action not in {"pass", "block"}
            controls = any(link.controls for link in step.rule.links)
            if matched and (loud or disruptive or controls):
                folded.always.append(position)
            elif matched and step.skip_to > position:
                if constant:
                    shut_to = step.skip_to
                else:
                    skip_to = step.skip_to
                    folded.known.append(position)
            elif not constant or (matched and any(link.setvars for link in step.rule.links)):
                folded.known.append(position)
            if run.transaction.tx != snapshot:
                snapshot = dict(run.transaction.tx)
    return out


def _trim(step: Step, changing: set[bytes], run: Run) -> bool:
    """Drop leading links whose outcome no request can change; False when one of them can never match."""
    while len(step.links) > 1:
        link = step.links[0].link
        constant = (
            all(t.collection == "TX" and t.key is not None and t.key not in changing for t in link.targets)
            and link.operator is not None
            and all(hole[1] == "TX" and hole[2] not in changing for hole in link.operator.argument.holes)
        )
        if not constant:
            return True
        if not any(True for _ in step.links[0].matches(run.transaction)):
            return False
        if link.setvars or link.controls or link.capture:
            return True
        step.links = step.links[1:]
    return True


def reads_only_variables(step: Step) -> bool:
    """Whether every value that the rule looks at is a transaction variable."""
    for link in step.rule.links:
        for target in link.targets:
            if COLLECTIONS[target.collection][1] != "tx" or target.collection.startswith("MATCHED"):
                return False
        for macro in _macros(link):
            for _, collection, _ in macro.holes:
                if collection != "TX":
                    return False
    return True


def _macros(link: Link) -> Iterable[Macro]:
    if link.operator is not None:
        yield link.operator.argument
    for setvar in link.setvars:
        yield setvar.name
        yield setvar.value


def _reads(step: Step) -> set[bytes]:
    names: set[bytes] = set()
    for link in step.rule.links:
        names.update(
            target.key for target in link.targets if target.collection == "TX" and target.key is not None
        )
        for macro in _macros(link):
            names.update(key for _, collection, key in macro.holes if collection == "TX")
        # Adding to a variable reads it.
        names.update(
            s.name.constant.lower() for s in link.setvars if s.how in "+-" and s.name.constant is not None
        )
    return names


def _reads_pattern(step: Step) -> bool:
    return any(t.collection == "TX" and t.key is None for link in step.rule.links for t in link.targets)


def _writes(step: Step) -> set[bytes]:
    return {
        s.name.constant.lower()
        for link in step.rule.links
        for s in link.setvars
        if s.name.constant is not None
    }


def _changing(steps: list[Step]) -> set[bytes]:
    """Variables whose value may depend on the request."""
    changing: set[bytes] = {b"%d" % digit for digit in range(10)} | {b"highest_severity"}
    pending = list(steps)
    grown = True
    while grown:
        grown = False
        still: list[Step] = []
        for step in pending:
            if reads_only_variables(step) and not _reads_pattern(step) and _reads(step).isdisjoint(changing):
                still.append(step)
                continue
            before = len(changing)
            changing |= _writes(step)
            grown = grown or len(changing) > before
        pending = still
    return changing


def _mark_private(steps: list[Step]) -> None:
    """Mark chains whose variables nobody else reads: such a chain may fail without making the request
    dirty."""
    read_by: dict[bytes, set[int]] = {}
    prefixes: list[tuple[bytes, int]] = []
    for index, step in enumerate(steps):
        for name in _reads(step):
            read_by.setdefault(name, set()).add(index)
        for link in step.rule.links:
            for target in link.targets:
                if target.collection == "TX" and target.key is None:
                    prefixes.append((_literal(target.pattern or b""), index))
        for macro in (step.rule.message, step.rule.log_data):
            for _, collection, key in macro.holes:
                if collection == "TX":
                    read_by.setdefault(key, set()).add(index)
    for index, step in enumerate(steps):
        mine = {index}
        private = True
        # The last link's variables are only written when the whole chain matches.
        for link in step.rule.links[:-1]:
            for setvar in link.setvars:
                constant = setvar.name.constant
                name = (constant if constant is not None else setvar.name.holes[0][0]).lower()
                if (constant is not None and not read_by.get(name, mine) <= mine) or (
                    constant is None
                    and any(key.startswith(name) and not readers <= mine for key, readers in read_by.items())
                ):
                    private = False
                for prefix, reader in prefixes:
                    if reader != index and (prefix.startswith(name) or name.startswith(prefix)):
                        private = False
        step.rule_is_private = private


def _literal(pattern: bytes) -> bytes:
    """The literal text that a selector pattern begins with."""
    out = bytearray()
    for byte in pattern.removeprefix(b"^"):
        if not (chr(byte).isalnum() or byte == 0x5F):
            break
        out.append(byte)
    return bytes(out).lower()
