"""Which of the variables that rules write does anybody read?

The Core Rule Set 3.3 notes a hash of the User-Agent and the phone's address on every request, for rules about
persistent state that the edge leaves out.  A write makes a request *dirty* (see `engine`): nothing known in
advance about it holds any more, and every rule that compares variables has to be walked.  Measured on a
typical GET: 380 us where such a write happens, half of it where it is dropped.

So writes that no rule, no message and no verdict reads are dropped at load, and so is a rule that then does
nothing.  `NaiveProgram` keeps them, and has to come to the same verdicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge.l7.waf.compiled import CompiledLink, Step
from edge.l7.waf.form import SetVar
from edge.l7.waf.regex import Pattern, compile_pattern

# Sums that the inspector reads when all rules are done, or that say how bad a match is (`engine`).
_READ_OUTSIDE = (b"edge_", b"inbound_", b"outbound_", b"anomaly_", b"blocking_", b"detection_")


@dataclass(slots=True)
class _Readers:
    """Who reads variables: by name, by a pattern that names are tried with, or (`every`) all of them."""

    names: set[bytes] = field(default_factory=set)
    patterns: list[Pattern] = field(default_factory=list)
    every: bool = False

    def need(self, setvar: SetVar) -> bool:
        """Whether what `setvar` writes may matter to anybody."""
        constant = setvar.name.constant
        if self.every or constant is None:  # a name put together at run time may be any
            return True
        name = constant.lower()
        return (
            name in self.names
            or name.startswith(_READ_OUTSIDE)
            or any(pattern.found(name) for pattern in self.patterns)
        )


def forget_unread(steps: Sequence[Step]) -> None:
    """Drop the writes that nobody reads, and what only they read, until nothing is left to drop."""
    dropped = True
    while dropped:
        dropped = False
        readers = _readers(steps)
        for step in steps:
            if all(readers.need(setvar) for compiled in step.links for setvar in compiled.link.setvars):
                continue
            step.links = tuple(_without_unread(compiled, readers) for compiled in step.links)
            dropped = True


def does_nothing(step: Step) -> bool:
    """Whether a match of this rule changes nothing and says nothing."""
    return (
        not step.rule.log
        and step.rule.action == "pass"
        and not step.rule.skip_after
        and not any(one.link.setvars or one.link.controls or one.link.capture for one in step.links)
    )


def _without_unread(compiled: CompiledLink, readers: _Readers) -> CompiledLink:
    link = compiled.link
    kept = tuple(setvar for setvar in link.setvars if readers.need(setvar))
    return compiled if len(kept) == len(link.setvars) else CompiledLink(replace(link, setvars=kept))


def _readers(steps: Sequence[Step]) -> _Readers:
    found = _Readers()
    for step in steps:
        macros = [step.rule.message, step.rule.log_data]
        for compiled in step.links:
            link = compiled.link
            for target in link.targets:
                if target.collection != "TX":
                    continue
                if target.key is not None:
                    found.names.add(target.key)
                elif target.pattern is not None:
                    found.patterns.append(compile_pattern(b"(?i)" + target.pattern))
                else:
                    found.every = True
            if link.operator is not None:
                macros.append(link.operator.argument)
            for setvar in link.setvars:
                macros += (setvar.name, setvar.value)
        found.names.update(
            key for macro in macros for _, collection, key in macro.holes if collection == "TX"
        )
    return found
