"""How does a run become one file that one can mail?

`report` writes the whole page: style, plots, tables, exemplars, everything inside,
no script, no request to anywhere.  It is built to be read top to bottom: question,
prediction and what came, verdict, what happened, closer looks, how it was made.
"""

from html import escape
from typing import Any

from edge.lab.measure import series
from edge.lab.plan import Lab
from edge.lab.plot import bars, cloud, lines
from edge.lab.run import Exemplar, LabRun, VariantRun, Verdict, number

SPANS_MAX = 40  # of one exemplar; a retry storm's trace would fill the page
COUNTERS_MAX = 12


def report(lab: Lab, run: LabRun, style: str, when: str) -> str:
    """The page for `run`, which began at `when`; `style` is the text of `report.css`."""
    badge = _badge(run.passed, "every expectation holds", "not as expected")
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            # The page asks nobody for anything, and says so in a way the browser enforces.
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
            f"<title>{escape(lab.title)}</title><style>{style}</style></head><body><main>",
            f'<h1>{escape(lab.title)}</h1><p class="question">{escape(lab.question)}</p><p>{badge}</p>',
            _guess(lab, run),
            "<h2>What was expected, and what came</h2>",
            _verdicts(run.verdicts),
            f"<h2>Side by side</h2>{_table(run.table)}" if len(run.table[0]) > 1 else "",
            _columns(run),
            "<h2>What happened</h2>",
            *(_variant(one) for one in run.variants),
            _words(lab),
            _footer(lab, run, when),
            "</main></body></html>",
        ]
    )


def _guess(lab: Lab, run: LabRun) -> str:
    guess = run.prediction or "no prediction was made"
    return (
        '<section class="cards" aria-label="Prediction">'
        f'<div class="card">{escape(lab.predict.ask)}<b>{escape(guess)}</b>you said</div>'
        f'<div class="card">It turned out to be<b>{escape(run.predicted)}</b>'
        f"<code>{escape(lab.predict.answer)}</code></div>"
        "</section>"
    )


def _verdicts(verdicts: list[Verdict]) -> str:
    rows = []
    for one in verdicts:
        measured = (f"<code>{escape(name)}</code> = {escape(value)}" for name, value in one.measured)
        rows.append(
            f"<tr><td>{_badge(one.holds, 'holds', 'fails')}</td>"
            f"<td>{escape(one.because)}<br><code>{escape(one.that)}</code></td>"
            f"<td>{'<br>'.join(measured)}</td></tr>"
        )
    head = "<thead><tr><th></th><th>expected, because</th><th>measured</th></tr></thead>"
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    titles = "".join(
        f"<th{'' if at == 0 else ' class=n'}>{escape(cell)}</th>" for at, cell in enumerate(head)
    )
    lines_ = "".join(
        "<tr>"
        + "".join(f"<td{'' if at == 0 else ' class=n'}>{escape(cell)}</td>" for at, cell in enumerate(row))
        + "</tr>"
        for row in body
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines_}</tbody></table>"


def _columns(run: LabRun) -> str:
    head, *body = run.table
    if len(body) < 2:
        return ""
    parts = []
    for at, title in enumerate(head[1:], 1):
        try:
            rows = [(row[0], float(row[at].replace(",", ""))) for row in body]
        except ValueError:
            continue
        parts.append(f"<h3>{escape(title)}</h3>{bars(rows, title, '')}")
    return "".join(parts)


def _variant(run: VariantRun) -> str:
    loads = list(dict.fromkeys(sample.load for sample in run.samples))
    parts = [f"<h3>{escape(run.name)}</h3>"]
    if run.note:
        parts.append(f"<p>{escape(run.note)}</p>")
    for load in loads:
        mine = [sample for sample in run.samples if sample.load == load]
        parts.append(
            cloud(mine, run.marks, run.seconds, f"{run.name}: each request of {load}, when and how long")
        )
        data = series(mine, max(0.25, run.seconds / 60), run.seconds)
        curves = [
            (f"{load}: answered per second", data["ok_per_s"], "var(--good)"),
            (f"{load}: failed per second", data["errors_per_s"], "var(--bad)"),
        ]
        parts.append(
            lines(data["at_s"], curves, run.marks, run.seconds, f"{run.name}: {load} per second", "/s")
        )
    if run.marks:
        items = "".join(
            f"<li>{mark.at_s:.2f} s: {escape(mark.text)}</li>" for mark in run.marks if mark.at_s > -1
        )
        parts.append(f"<details><summary>{len(run.marks)} events</summary><ul>{items}</ul></details>")
    parts += [_exemplar(one) for one in run.exemplars]
    parts.append(_counters(run))
    return "".join(parts)


def _exemplar(one: Exemplar) -> str:
    sample = one.sample
    head = f"{escape(one.label)}: {number(sample.ms)} ms, trace <code>{escape(sample.trace_id)}</code>"
    if not one.spans:
        return f"<p>{head} (no process remembers it)</p>"
    began = min(span["start_ns"] for span in one.spans)
    length = max(1, max(span["end_ns"] for span in one.spans) - began)
    depth = _depths(one.spans)
    rows = []
    for span in one.spans[:SPANS_MAX]:
        left = (span["start_ns"] - began) / length * 100
        width = (span["end_ns"] - span["start_ns"]) / length * 100
        why = str(span["attributes"].get("edge.why", ""))
        name = f"{'· ' * depth[span['span_id']]}{span['instance']} {span['name']}"
        rows.append(
            f'<div class="span{" err" if span["error"] else ""}" title="{escape(why or name, True)}">'
            f"<b>{escape(name)}</b>"
            f'<i><u style="left:{left:.2f}%;width:{min(width, 100 - left):.2f}%"></u></i>'
            f"<em>{(span['end_ns'] - span['start_ns']) / 1e6:.2f} ms</em></div>"
        )
    return f"<details><summary>{head}</summary>{''.join(rows)}</details>"


def _depths(spans: list[dict[str, Any]]) -> dict[str, int]:
    parents = {span["span_id"]: span["parent_id"] for span in spans}
    depths: dict[str, int] = {}
    for span_id in parents:
        depth, at = 0, span_id
        while parents.get(at) in parents and depth < 20:
            depth, at = depth + 1, parents[at]
        depths[span_id] = depth
    return depths


def _counters(run: VariantRun) -> str:
    totals: dict[tuple[str, str], float] = {}
    for name, labels, value in run.counters:
        told = ", ".join(
            f"{key}={word}" for key, word in labels.items() if key not in ("process", "route", "method")
        )
        totals[name, told] = totals.get((name, told), 0.0) + value
    shown = sorted(totals.items(), key=lambda item: -item[1])[:COUNTERS_MAX]
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code> {escape(labels)}</td><td class=n>{number(value)}</td></tr>"
        for (name, labels), value in shown
    )
    return f"<details><summary>what the counters say</summary><table>{rows}</table></details>"


def _words(lab: Lab) -> str:
    learn = "".join(f"<li>{escape(one)}</li>" for one in lab.learn)
    watch = "".join(f"<li>{escape(one)}</li>" for one in lab.watch_for)
    code = "".join(f"<li><code>{escape(one)}</code></li>" for one in lab.code)
    story = f"<p>{escape(lab.story)}</p>" if lab.story else ""
    return (
        f"<h2>What to take home</h2>{story}<ul>{learn}</ul><h3>Look at it again</h3><ul>{watch}</ul>"
        f"<h3>The code that did it</h3><ul>{code}</ul>"
    )


def _footer(lab: Lab, run: LabRun, when: str) -> str:
    return (
        f"<footer>{escape(run.name)} · {escape(when)} · commit <code>{escape(run.commit)}</code> · "
        f"{escape(run.machine)}, of which others had {run.others:.0%}{_discarded(run)} · "
        f"edge <code>{escape(lab.config)}</code> · "
        f"again: <code>edge lab run {escape(run.name)}</code></footer>"
    )


def _discarded(run: LabRun) -> str:
    """Runs that were made again are part of the truth."""
    return "".join(
        f" · a run before this one was discarded: others had {one.others:.0%} of the machine, and "
        + "; ".join(f"<code>{escape(that)}</code>" for that in one.failed)
        + " failed"
        for one in run.discarded
    )


def _badge(good: bool, yes: str, no: str) -> str:
    return (
        f'<span class="badge {"good" if good else "bad"}">{"✓" if good else "✗"} {yes if good else no}</span>'
    )
