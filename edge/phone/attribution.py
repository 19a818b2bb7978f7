"""Where did the time go, and what can nobody account for?

The critical path gives each nanosecond to one span; here each span's share goes to
a named part.  A phone's phase that waits for somebody is split by what the two ends
stamped: from the phone's write to the moment L7 began is `wire`, and so is the way
back; both ends are known, so this time is the kernel's and the scheduler's.

*Unattributed* is what is left: time in which the phone was in no phase of its own,
and a wait during which no process of the edge says that it worked (it died, or has
forgotten, or nobody measures there).  It is never spread over the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.phone.critical_path import Path, Segment
from edge.phone.span_tree import Node, Tree

UNATTRIBUTED = "unattributed"
WIRE = "wire"
PHONE = "phone"
# Phases in which the phone itself works or its kernel does: its own stamps are enough.
OWN_PHASES = ("tcp", "tls", "send", "body")


@dataclass(frozen=True, slots=True)
class Part:
    """One named part of the total, and how many nanoseconds it took."""

    name: str
    ns: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """The whole, and its parts.  `sum(part.ns) + unattributed_ns == total_ns`, always."""

    total_ns: int
    parts: tuple[Part, ...]  # in the order in which they first appear in time
    unattributed_ns: int

    @property
    def unattributed_share(self) -> float:
        """0 to 1."""
        return self.unattributed_ns / self.total_ns if self.total_ns else 0.0


def attribute(tree: Tree, path: Path) -> Attribution:
    """Give every nanosecond of the trace to a part."""
    names = {id(node): _part_name(tree.root, node) for node in tree.root.walk()}
    sums: dict[str, int] = {}
    for segment in path.segments:
        name = names[id(segment.node)] or _waiting(segment)
        sums[name] = sums.get(name, 0) + segment.end_ns - segment.start_ns
    unattributed_ns = sums.pop(UNATTRIBUTED, 0)
    parts = tuple(Part(name, ns) for name, ns in sums.items())
    return Attribution(tree.root.duration_ns, parts, unattributed_ns)


def is_phase(node: Node) -> bool:
    """Is it one of the phone's own spans?"""
    return node.span.service == PHONE


def phase_word(node: Node) -> str:
    """The first word of a phase's name: "dns", "tcp", "tls", "http", "body"."""
    return node.span.name.partition(" ")[0]


def _part_name(root: Node, node: Node) -> str:
    """The part to which a span's own time belongs; empty where it depends on the moment."""
    if node is root:
        return UNATTRIBUTED
    if is_phase(node):
        return phase_word(node) if phase_word(node) in OWN_PHASES else ""
    return node.span.service.removeprefix("edge-") or UNATTRIBUTED


def _waiting(segment: Segment) -> str:
    """A phone's wait: on the wire before the first and after the last answerer's work, else nobody's.

    A callee whose own caller is missing says nothing about the wire: between it and
    the phone stands a process that told us nothing.
    """
    answerers = [child for child in segment.node.children if not child.is_orphan]
    if not answerers:
        return UNATTRIBUTED
    first = min(child.start_ns for child in answerers)
    last = max(child.end_ns for child in answerers)
    return WIRE if segment.end_ns <= first or segment.start_ns >= last else UNATTRIBUTED


def check_sum(attribution: Attribution) -> None:
    """The promise of the drawing.  An `AssertionError` here is a bug, not a slow edge."""
    told = sum(part.ns for part in attribution.parts) + attribution.unattributed_ns
    assert told == attribution.total_ns, f"the parts make {told} ns of {attribution.total_ns} ns"


def largest(parts: Sequence[Part]) -> Part | None:
    """The part that took longest."""
    return max(parts, key=lambda part: part.ns, default=None)
