"""`edge explain ID`: what happened to one request, in sentences.  [I/O]"""

import sys
import textwrap

import cyclopts
import trio

from edge.cli.phone import Surroundings
from edge.cli.screen import columns
from edge.common.errors import EdgeError
from edge.phone.prose import explain as tell
from edge.phone.span_tree import build, rooted
from edge.phone.waterfall import waterfall

app = cyclopts.App(name="explain", help="Tell one request's story in sentences.")
app.command("edge.cli.explain_request:explain_request", name="request")
app.command("edge.cli.explain_l4:flow", name="flow")
app.command("edge.cli.explain_l4:drain", name="drain")
app.command("edge.cli.explain_policy:policy", name="policy")


@app.default
def explain(trace_id: str = "") -> None:
    """Tell what happened to the request TRACE_ID; without one, to the phone's latest."""
    here = Surroundings()
    wanted = trace_id.lower() or next(iter(here.memory.traces()), "")
    if not wanted:
        raise EdgeError("the phone has made no request yet; `edge trace` makes one")
    spans = trio.run(here.gather, wanted, here.memory.trace(wanted))
    if not spans:
        raise EdgeError(here.away or f"nobody remembers a trace {wanted!r}: it is too old, or never was")
    if here.away:
        print(f"edge explain: {here.away}; only the phone's own part is known", file=sys.stderr)
    spans, root_id = rooted(spans)
    for paragraph in tell(waterfall(build(spans, root_id), with_stages=True)):
        print(textwrap.fill(paragraph, columns(), subsequent_indent="  "))
