"""The waterfall as one HTML file that needs nothing but a browser.

No script, no font, no request: bars are percentages, a row opens by <details>, and
the policy in the head forbids the page to fetch anything.  The rows, the sums and
the sentences are those of the terminal's drawing; light and dark follow the reader's
system, and tones differ in lightness, so that a colour-blind reader sees them too.
"""

from collections.abc import Iterator
from html import escape

from edge.common.spans import Span
from edge.phone.drawing import BUDGET_SHARE
from edge.phone.prose import explain
from edge.phone.waterfall import Row, Waterfall

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--dim:#5c6670;--line:#d8dee4;--phone:#7d8590;
--dns:#0b7285;--l4:#862e9c;--l7:#1864ab;--service:#2b8a3e;--queue:#b35c00;--error:#c92a2a}
@media(prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6eaee;--dim:#98a2ad;--line:#30373f;
--phone:#8b949e;--dns:#3bc9db;--l4:#cc8ee8;--l7:#74c0fc;--service:#69db7c;--queue:#ffa94d;--error:#ff8787}}
body{background:var(--paper);color:var(--ink);font:14px/1.45 system-ui,sans-serif;margin:2rem auto;
max-width:75rem;padding:0 1rem}
h1{font-size:1.15rem;overflow-wrap:anywhere}.dim,summary .why{color:var(--dim)}
details{border-bottom:1px solid var(--line)}
.row{display:grid;grid-template-columns:minmax(9rem,22rem) 1fr 5rem 5rem;gap:.1rem .75rem;align-items:center;
cursor:pointer;padding:.2rem 0}.heads{cursor:default;text-align:right}
summary .name{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
summary .number{text-align:right;font-variant-numeric:tabular-nums}
summary .why{grid-column:2/-1;font-size:.85em}
.track{position:relative;height:.9rem}.bar{position:absolute;top:0;bottom:0;min-width:2px;border-radius:2px}
.call{opacity:.3}.beside{opacity:.55}.critical .name{font-weight:600}
.error,summary .why.error{color:var(--error)}
table{border-collapse:collapse;margin:.3rem 0 .8rem 1.5rem;font-size:.9em}
td{padding:.1rem .8rem .1rem 0;vertical-align:top;overflow-wrap:anywhere}
td:first-child{color:var(--dim);white-space:nowrap}
ol{padding-left:1.4rem}
"""
_TONES = ("phone", "dns", "l4", "l7", "service", "queue")
# 'none' and then the one exception: this file's own style.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def export(model: Waterfall, spans: dict[str, Span]) -> str:
    """The page; `spans` by id are what a row shows when it is opened."""
    whole = model.attribution
    rows = "\n".join(_row(row, max(1, whole.total_ns), spans.get(row.span_id)) for row in model.rows)
    tones = "".join(f".{tone}>.bar{{background:var(--{tone})}}" for tone in (*_TONES, "failed"))
    tones = tones.replace("--failed", "--error")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(model.title)} — {_ms(whole.total_ns)}</title>
<style>{_STYLE}{tones}</style>
</head>
<body>
<h1>{escape(model.title)}</h1>
<p>{_status(model)} after <b>{_ms(whole.total_ns)}</b> on a {escape(model.connection)};
{model.processes} processes; trace <code>{escape(model.trace_id)}</code></p>
<main aria-label="waterfall">
<div class="row heads dim" aria-hidden="true"><span></span><span></span>
<span>took</span><span>own</span></div>
{rows}
</main>
<p>{_sums(model)}</p>
<h2>What happened</h2>
<ol>
{_story(model)}
</ol>
</body>
</html>
"""


def _row(row: Row, total_ns: int, span: Span | None) -> str:
    name = escape(f"{row.title} {row.text}".strip())
    kinds = " critical" if row.is_critical else ""
    why = " · ".join(part for part in (row.error, row.why) if part)
    said = f'<span class="why{" error" if row.error else ""}">{escape(why)}</span>' if why else ""
    own = _ms(row.self_ns) if row.is_critical else "–"
    spoken = f"{name}: from {_ms(row.start_ns)} for {_ms(row.end_ns - row.start_ns)}"
    return (
        f'<details><summary class="row{kinds}">'
        f'<span class="name" style="padding-left:{row.depth * 0.9:g}em">{name}</span>'
        f'<span class="track {"failed" if row.error else row.tone}" role="img" aria-label="{spoken}">'
        f"{''.join(_bars(row, total_ns))}</span>"
        f'<span class="number">{_ms(row.end_ns - row.start_ns)}</span>'
        f'<span class="number dim">{own}</span>{said}</summary>'
        f"{_card(row, span)}</details>"
    )


def _bars(row: Row, total_ns: int) -> Iterator[str]:
    beside = "" if row.is_critical else " beside"
    if row.inner_ns is None:
        yield _bar(row.start_ns, row.end_ns, total_ns, beside)
    else:
        yield _bar(row.start_ns, row.end_ns, total_ns, " call")
        yield _bar(*row.inner_ns, total_ns, beside)


def _bar(start_ns: int, end_ns: int, total_ns: int, kind: str) -> str:
    left, width = 100 * start_ns / total_ns, 100 * (end_ns - start_ns) / total_ns
    return f'<span class="bar{kind}" style="left:{left:.3f}%;width:{width:.3f}%"></span>'


def _card(row: Row, span: Span | None) -> str:
    facts = [("span", f"{row.span_name} {row.span_id}"), ("source", row.source.path or "not ours")]
    if row.source.rule:
        facts.append(("rule", row.source.rule))
    if span is not None:
        facts += [("process", f"{span.instance}, pid {span.pid}")]
        facts += [(key, str(value)) for key, value in span.attributes.items() if value != ""]
    cells = "".join(f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in facts)
    return f"<table>{cells}</table>"


def _status(model: Waterfall) -> str:
    if not model.status:
        return '<b class="error">no answer</b>'
    return f"<b{' class=error' if model.status >= 400 else ''}>{model.status}</b>"


def _sums(model: Waterfall) -> str:
    whole = model.attribution
    parts = " + ".join(f"{escape(part.name)} {part.ns / 1e6:.2f}" for part in whole.parts)
    rest = f"unattributed {whole.unattributed_ns / 1e6:.2f}"
    over = whole.unattributed_share > BUDGET_SHARE
    marked = f'<span class="error">{rest}</span>' if over else rest
    return f"{f'{parts} + ' if parts else ''}{marked} = {_ms(whole.total_ns)}"


def _story(model: Waterfall) -> str:
    return "\n".join(f"<li>{escape(sentence)}</li>" for sentence in explain(model))


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f} ms"
