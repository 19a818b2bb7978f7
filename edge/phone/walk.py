"""A request, hop by hop: what came in, what was decided and by which rule, what went out?

One step per row of the waterfall, in the order of time.  What a span tells about
itself is sorted into the three by the meaning of each attribute's name; a name that
nobody sorted is a fact of the decision, so that nothing is kept from the reader.
Headers have rooms of their own (`edge.phone.hop_headers`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edge.common.header_fields import REQUEST, RESPONSE
from edge.common.spans import Attribute, Span
from edge.phone.hop_headers import Change, HopHeaders, hop_headers
from edge.phone.sources import Source
from edge.phone.waterfall import Row, Waterfall

_CAME_IN = (
    "http.request.",
    "url.",
    "client.",
    "network.",
    "dns.question.",
    "edge.dns.subnet",
    "edge.conn.",
    "server.",
    "user_agent.",
)
_WENT_OUT = ("http.response.", "dns.answers", "edge.dns.ttl_s", "error.", "tls.")

Fact = tuple[str, str]
Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One hop; times in nanoseconds since the root began."""

    number: int  # from 1
    row: int  # of the waterfall
    title: str
    start_ns: int
    end_ns: int
    self_ns: int
    came_in: tuple[Fact, ...]
    decided: tuple[Fact, ...]
    went_out: tuple[Fact, ...]
    headers: HopHeaders
    why: str
    error: str
    span: str
    source: Source


def steps(model: Waterfall, spans: Iterable[Span]) -> list[Step]:
    """Every hop of the request; `model` should have the stages as rows of their own."""
    by_id = {span.span_id: span for span in spans}
    in_time = sorted(range(len(model.rows)), key=lambda at: model.rows[at].start_ns)
    return [_step(number, at, model.rows[at], by_id) for number, at in enumerate(in_time, start=1)]


def _step(number: int, at: int, row: Row, by_id: Mapping[str, Span]) -> Step:
    span = by_id.get(row.span_id)
    told = span.attributes if span is not None else {}
    facts = {key: value for key, value in told.items() if not key.startswith((REQUEST, RESPONSE))}
    return Step(
        number=number,
        row=at,
        title=f"{row.title} {row.text}".strip(),
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        self_ns=row.self_ns,
        came_in=_facts(facts, _CAME_IN, ()),
        decided=_facts(facts, ("",), (*_CAME_IN, *_WENT_OUT, "edge.why")),
        went_out=_facts(facts, _WENT_OUT, ()),
        headers=hop_headers(span, by_id) if span is not None else HopHeaders(),
        why=row.why,
        error=row.error,
        span=f"{row.span_name} {row.span_id}".strip(),
        source=row.source,
    )


def _facts(
    attributes: dict[str, Attribute], prefixes: tuple[str, ...], but: tuple[str, ...]
) -> tuple[Fact, ...]:
    return tuple(
        (key, _text(value))
        for key, value in attributes.items()
        if key.startswith(prefixes) and not (but and key.startswith(but)) and value not in ("", "-")
    )


def _text(value: Attribute) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def lines(step: Step, of: int) -> list[Line]:
    """The step as (tone, text) lines: "title", "head", "dim", "error" or plain."""
    told: list[Line] = [
        ("title", f"{step.number}/{of}  {step.title}"),
        (
            "dim",
            f"      +{_ms(step.start_ns)}, took {_ms(step.end_ns - step.start_ns)}, own {_ms(step.self_ns)}",
        ),
    ]
    told += _block("came in", step.came_in)
    told += _block("headers in", step.headers.came_in)
    told.append(("head", "  decided"))
    if step.source.rule:
        told.append(("", f"    {'rule':<28} {step.source.rule}"))
    if step.why:
        told.append(("", f"    {'why':<28} {step.why}"))
    told += [("", f"    {key:<28} {value}") for key, value in step.decided]
    if step.error:
        told.append(("error", f"    {'failed':<28} {step.error}"))
    told += _changes(f"headers passed on to {step.headers.asked}", step.headers.passed_on)
    told += _block("went out", step.went_out)
    if step.headers.given_back:
        told += _changes(f"headers given back from {step.headers.asked}", step.headers.given_back)
    else:
        told += _block("headers out", step.headers.went_out)
    told.append(("dim", f"  span {step.span}; {step.source.path or 'not ours'}"))
    return told


def _block(title: str, facts: tuple[Fact, ...]) -> list[Line]:
    if not facts:
        return []
    return [("head", f"  {title}"), *(("", f"    {key:<28} {value}") for key, value in facts)]


def _changes(title: str, found: tuple[Change, ...]) -> Iterator[Line]:
    """What a proxy did to the fields; those that it let through are counted only."""
    if not found:
        return
    yield "head", f"  {title}"
    for change in found:
        if change.mark == "~":
            yield "", f"  ~ {change.name:<28} {change.before} -> {change.after}"
        elif change.mark:
            yield "", f"  {change.mark} {change.name:<28} {change.before or change.after or ''}"
    through = sum(not change.mark for change in found)
    yield "dim", f"    {through} more as they came"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f} ms"
