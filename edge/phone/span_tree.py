"""How do the spans of ten processes become one tree?

Each span names its parent.  Three things need care:

* A connection's work (L4's choice, the TLS handshake) is told by L7 as a child of
  the request's span, because only L7 knows both, yet it happened before that
  request began.  Such a child is moved under the phase of the phone in which it
  happened, and cut where it straddles two: a server may still be busy with a
  handshake that its phone has finished.  On a kept connection it happened before
  this trace, and goes to `Tree.earlier`.
* A process may have died or forgotten; its callee's spans then hang nowhere.  They
  are put under the span that encloses them most tightly, and marked.
* A child may end a little after its parent: the service is still writing down
  what the caller has read already.  The drawing clips it; the span stays as told.

A tree is bounded by what the processes keep (`SpanRing`), and a cycle of parents
cannot occur in it: every node is reached from the root once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.common.spans import SERVER, Span

# A smaller share of a span in another phase is a stamp's jitter and not worth a row.
PIECE_SHARE_MIN = 0.05
_MADE_UP_ID = "edge-root"
_TOLD_OF_REQUEST = ("http.request.method", "url.path", "http.response.status_code", "edge.conn.id")


@dataclass(slots=True, eq=False)
class Node:
    """One span at its place in the tree, clipped to its parent's time."""

    span: Span
    start_ns: int
    end_ns: int
    children: list["Node"] = field(default_factory=list)  # by start, then by end
    is_orphan: bool = False  # its own parent is not among the spans

    @property
    def duration_ns(self) -> int:
        """How long it took, as far as its parent waited for it."""
        return self.end_ns - self.start_ns

    def walk(self) -> Iterator["Node"]:
        """This node and everything below it, parents first."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Tree:
    """One trace."""

    root: Node
    earlier: tuple[Span, ...] = ()  # of this connection, from before this request

    def find(self, span_id: str) -> Node | None:
        """The node of that span, None if it is not in the tree."""
        return next((node for node in self.root.walk() if node.span.span_id == span_id), None)


def build(spans: Iterable[Span], root_id: str) -> Tree:
    """The tree below the span `root_id`.  Raises `KeyError` if that span is not there."""
    by_id: dict[str, Span] = {}
    for span in spans:
        by_id.setdefault(span.span_id, span)  # two processes may both have been told of one
    root = by_id.pop(root_id)
    top = Node(root, root.start_ns, max(root.start_ns, root.end_ns))
    rooms: dict[str, list[Span]] = {}
    strays: list[Span] = []
    earlier: list[Span] = []
    for span in by_id.values():
        parent = root if span.parent_id == root_id else by_id.get(span.parent_id)
        if span.end_ns < root.start_ns or (span.end_ns == root.start_ns and span.start_ns < span.end_ns):
            earlier.append(span)
        elif parent is not None and _touches(span, parent):
            rooms.setdefault(parent.span_id, []).append(span)
        else:
            strays.append(span)
    _furnish(top, rooms)
    # What hangs below a stray travels with it; a cycle of parents has no way in and is
    # handled as if each of its spans had lost its parent.
    for span in sorted(strays, key=_width, reverse=True):
        _place(top, span, by_id, rooms)
    placed = {node.span.span_id for node in top.walk()} | {span.span_id for span in earlier}
    for span in sorted(by_id.values(), key=_width, reverse=True):
        if span.span_id not in placed:
            _place(top, span, {}, {})
    return Tree(top, tuple(sorted(earlier, key=lambda span: span.start_ns)))


def rooted(spans: Sequence[Span]) -> tuple[list[Span], str]:
    """`spans` with a root, and its id.

    A trace that our own phone made has one.  For anybody else's request (curl, a
    browser) the first sign of life is L4's accept: a root is made up that spans
    all that the edge saw, and hangs above whatever has no parent here.  Raises
    `ValueError` if there are no spans.
    """
    known = {span.span_id for span in spans}
    tops = [span for span in spans if span.parent_id not in known]
    for span in tops:
        if span.service == "phone" and not span.parent_id:
            return list(spans), span.span_id
    first = min(spans, key=lambda span: span.start_ns)
    request = min(
        (span for span in tops if span.kind == SERVER), key=lambda span: span.start_ns, default=first
    )
    root = Span(
        trace_id=first.trace_id,
        span_id=_MADE_UP_ID,
        parent_id="",
        name=request.name,
        service="edge",
        instance="edge",
        pid=0,
        start_ns=first.start_ns,
        end_ns=max(span.end_ns for span in spans),
        error=request.error,
        attributes={key: value for key, value in request.attributes.items() if key in _TOLD_OF_REQUEST},
    )
    orphaned = {span.span_id for span in tops}
    adopted = [
        msgspec.structs.replace(span, parent_id=_MADE_UP_ID) if span.span_id in orphaned else span
        for span in spans
    ]
    return [root, *adopted], _MADE_UP_ID


def _width(span: Span) -> int:
    return span.end_ns - span.start_ns


def _touches(span: Span, parent: Span) -> bool:
    return span.start_ns <= parent.end_ns and span.end_ns >= parent.start_ns


def _furnish(node: Node, rooms: dict[str, list[Span]]) -> None:
    """Give `node` its children, and these theirs; each room is emptied once."""
    pending = [node]
    while pending:
        here = pending.pop()
        for span in rooms.pop(here.span.span_id, ()):
            _add(here, Node(span, *_clipped(span, here)))
        pending.extend(here.children)


def _clipped(span: Span, parent: Node) -> tuple[int, int]:
    start = min(max(span.start_ns, parent.start_ns), parent.end_ns)
    return start, max(start, min(span.end_ns, parent.end_ns))


def _add(parent: Node, child: Node) -> None:
    parent.children.append(child)
    parent.children.sort(key=lambda node: (node.start_ns, node.end_ns))


def _place(top: Node, span: Span, known: dict[str, Span], rooms: dict[str, list[Span]]) -> None:
    """Put a stray under the span in whose time it happened."""
    stray = Node(span, *_clipped(span, top), is_orphan=span.parent_id not in known)
    homes = [_home(top, stray)] if stray.is_orphan else _phases(top, stray)
    for number, home in enumerate(homes):
        piece = Node(span, *_clipped(span, home), is_orphan=stray.is_orphan)
        _add(home, piece)
        if number == 0:
            _furnish(piece, rooms)


def _home(top: Node, stray: Node) -> Node:
    """The tightest enclosing span."""
    home = top
    while True:
        inner = [
            child
            for child in home.children
            if child.start_ns <= stray.start_ns and stray.end_ns <= child.end_ns and child is not stray
        ]
        if not inner:
            return home
        home = min(inner, key=lambda node: node.duration_ns)


def _phases(top: Node, stray: Node) -> list[Node]:
    """The phone's phases that share time with `stray`, the one that shares most first."""

    def shared(phase: Node) -> int:
        return min(phase.end_ns, stray.end_ns) - max(phase.start_ns, stray.start_ns)

    # Under a root that was made up (`rooted`) there are no phases.
    phases = [child for child in top.children if child.span.service == top.span.service]
    worth_it = max(1, int(stray.duration_ns * PIECE_SHARE_MIN))
    homes: list[Node] = []
    for phase in sorted(phases, key=shared, reverse=True):
        # Phases of one phone follow each other; where a trace claims otherwise, the time
        # that two of them share must not be given to both.
        is_free = all(phase.end_ns <= home.start_ns or home.end_ns <= phase.start_ns for home in homes)
        if shared(phase) >= worth_it and is_free:
            homes.append(phase)
    return homes or [top]
