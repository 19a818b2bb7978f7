"""What happened, in sentences?

The waterfall's rows again, for reading instead of looking: one sentence a row, in
the order of time, each ending in the span it comes from and the file that did the
work, so that nothing is said which no process told and which nobody could check.
"""

from collections.abc import Iterator

from edge.phone.waterfall import STAGE_PREFIX, Row, Waterfall

# As much of a span's id as a person compares by eye.
SPAN_ID_SHOWN = 8
# Where the sums of the last sentences are made.
_SUMS = " [all spans; edge/phone/attribution.py]"
_PATH = " [all spans; edge/phone/critical_path.py]"
_TREE = " [spans before and beside it; edge/phone/span_tree.py]"


def explain(model: Waterfall) -> list[str]:
    """The story of one request, a paragraph a line; the numbers are the waterfall's."""
    whole = model.attribution
    answer = f"was answered with {model.status}" if model.status else "got no answer"
    first = f"{model.title} {answer} after {_ms(whole.total_ns)}, on a {model.connection}."
    story = [f"{first}{_origin(model.rows[0])}"]
    story += [_sentence(row) for row in _in_time(model.rows)]
    story += list(_closing(model))
    return story


def _in_time(rows: tuple[Row, ...]) -> list[Row]:
    # The root is the first sentence already.  A stable sort keeps parents before children.
    return sorted(rows[1:], key=lambda row: row.start_ns)


def _sentence(row: Row) -> str:
    what = f"{row.title} {row.text}".strip()
    sentence = f"At {_ms(row.start_ns)}: {what}, {_ms(row.end_ns - row.start_ns)}"
    if row.error:
        sentence += f", failed ({row.error})"
    if not row.is_critical:
        sentence += ", beside what the phone was waiting for"
    elif row.self_ns:
        sentence += f", {_ms(row.self_ns)} of it its own"
    why = row.why or (row.source.rule if row.span_name.startswith(STAGE_PREFIX) else "")
    return f"{sentence}{f': {why}' if why else ''}.{_origin(row)}"


def _origin(row: Row) -> str:
    """Which span said so, and which file did it."""
    span = f"{row.span_name} {row.span_id[:SPAN_ID_SHOWN]}".strip()
    return f" [{span}; {row.source.path or 'not ours'}]"


def _closing(model: Waterfall) -> Iterator[str]:
    whole = model.attribution
    if whole.parts:
        longest = max(whole.parts, key=lambda part: part.ns)
        share = longest.ns / whole.total_ns if whole.total_ns else 0.0
        yield f"Most of the time went to {longest.name}: {_ms(longest.ns)}, {share:.0%} of the total.{_SUMS}"
    if model.saved_ns:
        yield f"Working in parallel saved {_ms(model.saved_ns)}.{_PATH}"
    if model.lever:
        yield f"The biggest lever is {model.lever}.{_PATH}"
    yield f"Nobody accounts for {_ms(whole.unattributed_ns)} ({whole.unattributed_share:.1%}).{_SUMS}"
    yield from (f"{note[:1].upper()}{note[1:]}.{_TREE}" for note in model.notes)


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f} ms"
