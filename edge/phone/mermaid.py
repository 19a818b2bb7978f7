"""The trace as a Mermaid sequence diagram, for a README or a review.

One participant per process, in the order in which the request met them; a solid
arrow for each call, a dashed one for its answer with how long it took, a note for
work that stayed inside.  The stages that let the request pass share one note.
Times are those of the tree (`edge.phone.span_tree`), counted from the root's start.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.common.spans import CLIENT, SERVER, Span
from edge.phone.attribution import is_phase
from edge.phone.span_tree import Node, Tree
from edge.phone.waterfall import passing_stages

TEXT_CHARS_MAX = 140
# What means something to Mermaid, as the entities it offers instead.
_ENTITIES = {ord(letter): f"#{ord(letter)};" for letter in "#;<>{}%"}


@dataclass(frozen=True, slots=True)
class _Line:
    at_ns: int
    text: str


def export(tree: Tree) -> str:
    """The diagram's source."""
    names: dict[str, str] = {}
    for node in tree.root.walk():
        names.setdefault(node.span.instance, f"p{len(names)}")
    lines = list(_lines(tree.root, names, tree.root.start_ns))
    # A stable sort: what began together keeps the order of the tree.
    lines.sort(key=lambda line: line.at_ns)
    head = ["sequenceDiagram", "    autonumber"]
    head += [f"    participant {alias} as {_safe(instance)}" for instance, alias in names.items()]
    return "\n".join([*head, *(f"    {line.text}" for line in lines)]) + "\n"


def _lines(node: Node, names: dict[str, str], zero_ns: int) -> Iterator[_Line]:
    stages = passing_stages(node)
    if stages:
        listed = ", ".join(f"{one.span.name.partition('.')[2]} {_ms(one.duration_ns)}" for one in stages)
        yield _note(names, node.span, stages[0].start_ns, zero_ns, f"passed: {listed}")
    for child in node.children:
        if child not in stages:
            yield from _told(node, child, names, zero_ns)
            yield from _lines(child, names, zero_ns)


def _told(parent: Node, node: Node, names: dict[str, str], zero_ns: int) -> Iterator[_Line]:
    span = node.span
    caller, callee = names[parent.span.instance], names[span.instance]
    if caller != callee:
        yield _Line(node.start_ns, f"{caller}->>{callee}: {_at(node.start_ns, zero_ns)} {_safe(span.name)}")
        error = span.error or (parent.span.error if parent.span.kind == CLIENT else "")
        arrow = "--x" if error else "-->>"
        yield _Line(node.end_ns, f"{callee}{arrow}{caller}: {_answer(node, error)}")
    elif span.kind == CLIENT and any(child.span.kind == SERVER for child in node.children):
        return  # the callee's own line says it
    elif is_phase(node) or span.kind != SERVER:
        yield _note(names, span, node.start_ns, zero_ns, f"{span.name} {_ms(node.duration_ns)}{_why(span)}")


def _note(names: dict[str, str], span: Span, start_ns: int, zero_ns: int, text: str) -> _Line:
    return _Line(start_ns, f"Note over {names[span.instance]}: {_at(start_ns, zero_ns)} {_safe(text)}")


def _answer(node: Node, error: str) -> str:
    status = node.span.attributes.get("http.response.status_code", "")
    said = f"{status or ''} {_ms(node.duration_ns)}".strip()
    return _safe(f"{said}{f' {error}' if error else ''}{_why(node.span)}")


def _why(span: Span) -> str:
    why = span.attributes.get("edge.why")
    return f" ({why})" if why else ""


def _at(at_ns: int, zero_ns: int) -> str:
    return f"+{(at_ns - zero_ns) / 1e6:.2f}"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f} ms"


def _safe(text: str) -> str:
    """`text` where Mermaid reads free text: a semicolon ends a line there, # begins an entity."""
    flat = " ".join(text.split())
    if len(flat) > TEXT_CHARS_MAX:
        flat = flat[: TEXT_CHARS_MAX - 1] + "…"
    return flat.translate(_ENTITIES) or "-"
