"""Which rows does the waterfall of one request have?

A model without characters: rows with a place in time, a label, what part of the
total is their own, and why they did what they did.  `edge.phone.drawing` turns it
into text; the console can turn it into pixels.

Two foldings keep a feed with thirty spans on one screen.  A caller's CLIENT span
and the callee's SERVER span become one row, whose inner bar is the callee's; and
the stages that let a request pass become one row that lists them.  A stage that
answered, or failed, keeps a row of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from edge.common.spans import CLIENT, SERVER, Span
from edge.phone.attribution import PHONE, Attribution, attribute, is_phase, phase_word
from edge.phone.critical_path import Lever, Path, biggest_lever, critical_path, slack_ns
from edge.phone.sources import NOWHERE, Source, source_of
from edge.phone.span_tree import Node, Tree

Tone = Literal["phone", "dns", "l4", "l7", "service", "queue"]

STAGE_PREFIX = "l7."
QUEUE = "l7.queue"
STAGES_SOURCE = Source("edge/l7/pipeline.py", "every stage in the order of one list")
# A lead over the next branch that nobody would notice is not worth a word.
SLACK_SHOWN_NS = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line; times in nanoseconds since the root began."""

    depth: int
    title: str  # who: "l7-mumbai-1", "dns", "ranking-1"
    text: str  # what: "GET /api/v1/feed/timeline/"
    start_ns: int
    end_ns: int
    inner_ns: tuple[int, int] | None  # the callee's share of a call
    self_ns: int
    is_critical: bool
    tone: Tone
    why: str = ""
    error: str = ""
    key: str = ""  # the same piece of work has the same key in every trace
    span_id: str = ""  # of the callee, where two spans make one row; of the first of the folded stages
    span_name: str = ""
    source: Source = NOWHERE


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Everything that is to be drawn of one request."""

    trace_id: str
    title: str  # "GET https://i.edge.test:8443/api/v1/feed/timeline/"
    status: int
    connection: str  # "cold connection", "resumed ...", "reused c-9f2"
    attribution: Attribution
    rows: tuple[Row, ...]
    critical_ns: int
    saved_ns: int
    lever: str
    processes: int
    notes: tuple[str, ...] = field(default=())


def waterfall(tree: Tree, *, with_stages: bool = False) -> Waterfall:
    """The model of one trace; `with_stages` gives every stage a row of its own."""
    path = critical_path(tree.root)
    attribution = attribute(tree, path)
    span = tree.root.span
    return Waterfall(
        trace_id=span.trace_id,
        title=_title(span),
        status=int(_text(span, "http.response.status_code") or 0),
        connection=_connection(tree),
        attribution=attribution,
        rows=tuple(_rows(tree.root, 0, tree, path, with_stages)),
        critical_ns=attribution.total_ns - attribution.unattributed_ns,
        saved_ns=sum(
            child.duration_ns
            for node in tree.root.walk()
            if path.has(node)
            for child in node.children
            if not path.has(child)
        ),
        lever=_lever_text(biggest_lever(tree.root, path)),
        processes=len({node.span.instance for node in tree.root.walk()}),
        notes=tuple(_notes(tree)),
    )


def _title(span: Span) -> str:
    what = _text(span, "url.full") or _text(span, "url.path")
    return f"{_text(span, 'http.request.method')} {what}".strip() or span.name


def _rows(node: Node, depth: int, tree: Tree, path: Path, with_stages: bool) -> Iterator[Row]:
    shown = _callee(node) or node
    yield _row(node, shown, depth, tree, path)
    stages = [] if with_stages else passing_stages(shown)
    if stages:
        yield _stages_row(stages, depth + 1, tree.root, path)
    for child in shown.children:
        if child not in stages:
            yield from _rows(child, depth + 1, tree, path, with_stages)


def _callee(node: Node) -> Node | None:
    """The SERVER span of a CLIENT span, where it is all that there is below.

    A phase of the phone stays a row of its own: that is where a reader begins.
    """
    if is_phase(node):
        return None
    if node.span.kind == CLIENT and len(node.children) == 1 and node.children[0].span.kind == SERVER:
        return node.children[0]
    return None


def passing_stages(node: Node) -> list[Node]:
    """The stages below `node` that let the request pass: one row, or one note, for all of them."""
    return [child for child in node.children if _is_passing_stage(child)]


def _is_passing_stage(node: Node) -> bool:
    name = node.span.name
    verdict = _text(node.span, "edge.verdict")
    passed = verdict in ("", "continue", "pass")
    plain = passed and not node.span.error and not node.children
    return name.startswith(STAGE_PREFIX) and name != QUEUE and plain


def _row(node: Node, shown: Node, depth: int, tree: Tree, path: Path) -> Row:
    root = tree.root
    title, text = _label(root, shown)
    self_ns = path.self_of(node) + (path.self_of(shown) if shown is not node else 0)
    why = [_why(shown.span), _why(node.span) if shown is not node else ""]
    parent_slack = _slack(root, node, path)
    if parent_slack > SLACK_SHOWN_NS and not path.has(node):
        why.append(f"slack {parent_slack / 1e6:.1f} ms")
    if node.is_orphan:
        why.append("its caller told nothing")
    inner = (shown.start_ns - root.start_ns, shown.end_ns - root.start_ns) if shown is not node else None
    return Row(
        depth=depth,
        title=title,
        text=text,
        start_ns=node.start_ns - root.start_ns,
        end_ns=node.end_ns - root.start_ns,
        inner_ns=inner,
        self_ns=self_ns,
        is_critical=path.has(node),
        tone=_tone(root, shown),
        why=" · ".join(dict.fromkeys(part for part in why if part)),
        error=shown.span.error or node.span.error,
        key=title if is_phase(shown) else _key(shown.span),
        span_id=shown.span.span_id,
        span_name=shown.span.name,
        source=source_of(shown.span),
    )


def _stages_row(stages: list[Node], depth: int, root: Node, path: Path) -> Row:
    listed = [f"{stage.span.name.removeprefix(STAGE_PREFIX)} {_ms(stage.duration_ns)}" for stage in stages]
    said = [why for stage in stages if (why := _why(stage.span))]
    return Row(
        depth=depth,
        title="stages",
        text=f"{len(stages)} passed",
        start_ns=min(stage.start_ns for stage in stages) - root.start_ns,
        end_ns=max(stage.end_ns for stage in stages) - root.start_ns,
        inner_ns=None,
        self_ns=sum(path.self_of(stage) for stage in stages),
        is_critical=any(path.has(stage) for stage in stages),
        tone="l7",
        why=" · ".join(listed) + (f" ({'; '.join(said)})" if said else ""),
        key="stages",
        span_id=stages[0].span.span_id,
        span_name=", ".join(stage.span.name for stage in stages),
        source=STAGES_SOURCE,
    )


def _label(root: Node, node: Node) -> tuple[str, str]:
    span = node.span
    if node is root:
        return (PHONE, "total") if is_phase(node) else ("edge", "total, as the edge saw it")
    if is_phase(node):
        word = phase_word(node)
        size = span.attributes.get("http.response.body.size")
        told = f"{size:,} B" if isinstance(size, int) else span.name.removeprefix(word).strip()
        return word, told
    if span.kind == CLIENT:
        return "→ " + (_text(span, "service.peer.name") or _text(span, "server.address")), span.name
    return span.instance or span.service, span.name.removeprefix(STAGE_PREFIX)


def _key(span: Span) -> str:
    if span.kind == CLIENT:
        # Which copy was asked is what two traces may differ in; "feed-2" is a copy of "feed".
        return f"{span.service} → {_text(span, 'service.peer.name').rstrip('0123456789').rstrip('-')}"
    return f"{span.service} {span.name}"


def _tone(root: Node, node: Node) -> Tone:
    if is_phase(node) or node is root:
        return "phone"
    if node.span.name == QUEUE:
        return "queue"
    for tone in ("dns", "l4", "l7"):
        if node.span.service == f"edge-{tone}" or node.span.name.startswith(f"{tone}."):
            return tone
    return "service"


def _who(span: Span) -> str:
    """Whose work it was, for a sentence."""
    if span.service == PHONE:
        return span.name.partition(" ")[0]
    if span.kind == CLIENT:
        return _text(span, "service.peer.name") or span.name
    if span.name.startswith(STAGE_PREFIX):
        return f"{span.instance} {span.name.removeprefix(STAGE_PREFIX)}"
    return span.instance if span.kind == SERVER else f"{span.instance} {span.name}"


def _why(span: Span) -> str:
    said = [_text(span, "edge.why")]
    if "tls.protocol.version" in span.attributes:
        resumed = "resumed" if span.attributes.get("tls.resumed") else "full handshake"
        said.append(f"TLS {_text(span, 'tls.protocol.version')}, {resumed}")
    if span.attributes.get("edge.flag") not in (None, "", "-"):
        said.append(_text(span, "edge.flag"))
    if span.attributes.get("degraded") or span.attributes.get("edge.degraded"):
        said.append(f"degraded: {_text(span, 'degraded') or _text(span, 'edge.degraded')}")
    return " · ".join(part for part in said if part)


def _slack(root: Node, node: Node, path: Path) -> int:
    parent = next((one for one in root.walk() if node in one.children), None)
    return slack_ns(parent, node) if parent is not None and path.has(parent) else 0


def _connection(tree: Tree) -> str:
    words = {phase_word(child): child.span for child in tree.root.children if is_phase(child)}
    if "tls" in words:
        return (
            "new connection, TLS resumed" if words["tls"].attributes.get("tls.resumed") else "cold connection"
        )
    if "tcp" in words:
        return "new connection"
    if "dns" in words:
        return "connection that was never opened"
    if not is_phase(tree.root):
        opened = any(node.span.name.startswith("l4") for node in tree.root.walk())
        return "new connection" if opened else "kept connection"
    told = [*(node.span for node in tree.root.walk()), *tree.earlier]
    numbers = [number for span in told if (number := _text(span, "edge.conn.id"))]
    return f"reused connection {numbers[0] if numbers else ''}".strip()


def _notes(tree: Tree) -> Iterator[str]:
    if tree.earlier:
        told = "; ".join(
            f"{span.instance} {span.name}: {_why(span) or _ms(span.end_ns - span.start_ns) + ' ms'}"
            for span in tree.earlier
        )
        yield f"when this connection was opened: {told}"
    orphans = sum(node.is_orphan for node in tree.root.walk())
    if orphans:
        yield f"{orphans} spans lost their caller; they are drawn where they happened"


def _lever_text(lever: Lever | None) -> str:
    if lever is None or lever.saving_ns <= 0:
        return ""
    then = f", then {_who(lever.then.span)} dominates" if lever.then else ""
    return f"{_who(lever.node.span)} (if it took no time: −{_ms(lever.saving_ns)} ms{then})"


def _text(span: Span, key: str) -> str:
    value = span.attributes.get(key)
    return "" if value is None else str(value)


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f}"
