"""What did the phone wait for, at each moment?

Walk back from the end of the root: the child that ended last is what its parent
was waiting for; before that child began, the one that ended last before it; what
no child covers is the parent's own work.  Siblings that ran beside the chosen one
had slack and are not on the path.  (The same rule as CRISP, "Critical Path
Analysis of Large-Scale Microservice Architectures", USENIX ATC 2022.)

The result is a partition of the root's time: every nanosecond belongs to exactly
one span, so the parts add up to the total by construction and not by luck.
"""

from dataclasses import dataclass, field

from edge.phone.span_tree import Node

# Two processes stamp the same moment from two sides of a socket, so that of two spans in
# sequence the first may end a little after the second begins.  Measured on a loaded
# two-core machine: under 40 µs.
OVERLAP_NS = 50_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the phone waited for `node` itself."""

    node: Node
    start_ns: int
    end_ns: int


@dataclass(slots=True)
class Path:
    """The critical path of one trace."""

    segments: list[Segment] = field(default_factory=list)  # in time; they cover the root without gap
    nodes: set[int] = field(default_factory=set)  # id() of each node that was waited for
    self_ns: dict[int, int] = field(default_factory=dict)  # id() of a node -> its own share of the total

    def has(self, node: Node) -> bool:
        """Was `node` waited for?"""
        return id(node) in self.nodes

    def self_of(self, node: Node) -> int:
        """How much of the total is `node`'s own, in nanoseconds; 0 off the path."""
        return self.self_ns.get(id(node), 0)


def critical_path(root: Node) -> Path:
    """The path that decided how long `root` took."""
    path = Path()
    # (node, from, until): what of the node's time is on the path.  A stack, since a
    # trace may be nested as deeply as somebody cares to call.
    pending = [(root, root.start_ns, root.end_ns)]
    while pending:
        node, start, end = pending.pop()
        path.nodes.add(id(node))
        cursor = end
        for child in _by_end(node):
            if child.end_ns > cursor + OVERLAP_NS or child.start_ns >= cursor or child.end_ns <= start:
                continue
            child_end = min(child.end_ns, cursor)
            child_start = max(child.start_ns, start)
            _own(path, node, child_end, cursor)
            pending.append((child, child_start, child_end))
            cursor = child_start
        _own(path, node, start, cursor)
    path.segments.sort(key=lambda segment: segment.start_ns)
    return path


def _by_end(node: Node) -> list[Node]:
    # Of two that end together the longer one was the reason.
    return sorted(node.children, key=lambda child: (child.end_ns, child.duration_ns), reverse=True)


def _own(path: Path, node: Node, start: int, end: int) -> None:
    if end > start:
        path.segments.append(Segment(node, start, end))
        path.self_ns[id(node)] = path.self_ns.get(id(node), 0) + end - start


def slack_ns(parent: Node, child: Node) -> int:
    """How much later `child` could have ended without its parent ending later.

    It could have taken until the moment at which the parent stopped waiting for
    the siblings that ran beside it.
    """
    beside = [
        other.end_ns
        for other in parent.children
        if other is not child and other.start_ns < child.end_ns and other.end_ns > child.start_ns
    ]
    return max(0, max(beside, default=child.end_ns) - child.end_ns)


@dataclass(frozen=True, slots=True)
class Lever:
    """What one piece of work would bring if it took no time."""

    node: Node
    saving_ns: int
    then: Node | None  # what dominates in its place


def biggest_lever(root: Node, path: Path) -> Lever | None:
    """The leaf of the path whose disappearance would shorten the total most.

    Bounded by what runs beside it, and beside each of its parents: taking ten
    milliseconds off one branch of a fan-out brings no more than its lead over the
    next branch.
    """
    best: Lever | None = None
    pending: list[tuple[Node, int, Node | None]] = [(root, root.duration_ns, None)]
    while pending:
        node, bound, then = pending.pop()
        on_path = [child for child in node.children if path.has(child)]
        for child in on_path:
            rival = _rival(node, child, path)
            saving, next_one = bound, then
            if rival is not None and child.end_ns - max(child.start_ns, rival.end_ns) < bound:
                saving, next_one = child.end_ns - max(child.start_ns, rival.end_ns), rival
            pending.append((child, max(0, saving), next_one))
        saving = min(bound, path.self_of(node))
        if node is not root and (best is None or saving > best.saving_ns):
            best = Lever(node, saving, then)
    return best


def _rival(parent: Node, child: Node, path: Path) -> Node | None:
    """The sibling beside `child`, and not waited for, that ended last."""
    beside = [
        other
        for other in parent.children
        if not path.has(other) and other.start_ns < child.end_ns and other.end_ns > child.start_ns
    ]
    return max(beside, key=lambda other: other.end_ns, default=None)
