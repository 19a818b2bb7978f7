"""`edge trace`: one request as a phone makes it, drawn as a waterfall.  [I/O]"""

import statistics
import sys
import time
from typing import Annotated, Any, Literal

import cyclopts
import trio
from cyclopts import Parameter

from edge.cli.phone import Surroundings, rejected, with_cookie
from edge.cli.screen import columns, is_colourful, paint, say_json, say_table
from edge.common.errors import ConfigError, EdgeError
from edge.common.spans import Span
from edge.phone import drawing, otlp
from edge.phone.attribution import check_sum
from edge.phone.call import Call, Phone, Question
from edge.phone.span_tree import build, rooted
from edge.phone.waterfall import Waterfall, waterfall

FEED = "/api/v1/feed/timeline/"
Kind = Literal["cold", "resumed", "warm"]

_STYLES = {
    "title": "1",
    "critical": "1",
    "dim": "2",
    "good": "32",
    "error": "31",
    "phone": "90",
    "dns": "36",
    "l4": "35",
    "l7": "34",
    "service": "32",
    "queue": "33",
}

app = cyclopts.App(name="trace", help="Be the phone: make one request and see where its time went.")


@app.default
def trace(
    target: str = FEED,
    *,
    city: Annotated[str, Parameter(name=["--from"])] = "jaipur",
    account: Annotated[str, Parameter(name=["--as"])] = "ada",
    repeat: int = 1,
    cold: Annotated[bool, Parameter(negative=())] = False,
    warm: Annotated[bool, Parameter(negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
    number: Annotated[str, Parameter(name=["--id"])] = "",
    method: Annotated[str, Parameter(name=["--method", "-X"])] = "",
    data: Annotated[str | None, Parameter(name=["--data", "-d"])] = None,
    header: Annotated[list[str] | None, Parameter(name=["--header", "-H"], negative=())] = None,
    stages: Annotated[bool, Parameter(negative=())] = False,
    body: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Ask for TARGET (a path or a URL) and draw every hop: DNS, L4, TLS, L7's stages, the services.

    Parameters
    ----------
    target
        A path such as /api/v1/feed/timeline/, or a whole https URL.
    city
        Where the phone is: a city (jaipur, london ...) or a network.
    account
        Who asks; "nobody" does not log in.
    repeat
        Ask so often; a table of all, and the last one drawn.
    cold
        A new connection with a full TLS handshake each time.
    warm
        On a connection that has been used before.
    resume
        A new connection that resumes an earlier TLS session.
    number
        Draw the trace of this id, whoever made the request.
    method
        GET, or POST when there is data.
    data
        The request's body.
    header
        A further header, "Name: value"; may be given more than once.
    stages
        A line for every stage of L7.
    body
        Print what was answered, too.
    json
        The spans as OTLP/JSON, with the sums beside them.
    """
    if cold + warm + resume > 1:
        raise ConfigError(["--cold, --warm and --resume exclude each other"])
    here = Surroundings()
    if number:
        _show_known(here, number, stages=stages, json=json)
        return
    kind: Kind | None = "cold" if cold else "warm" if warm else "resumed" if resume else None
    question = here.question(target, method, header or [], data)
    shown = trio.run(_visit, here, question, city, account, kind, max(1, repeat))
    last, spans = shown[-1]
    if json:
        say_json(_as_data(spans, last.root_id))
    else:
        if len(shown) > 1:
            _say_repeats(shown)
        _say_waterfall(spans, last.root_id, stages=stages)
        _say_answer(last, with_body=body)
    sys.exit(1 if last.failed else 0)


Shown = tuple[Call, list[Span]]


async def _visit(
    here: Surroundings, question: Question, city: str, account: str, kind: Kind | None, repeat: int
) -> list[Shown]:
    phone = here.phone(city)
    try:
        cookie = await here.cookie(phone, account)
        if kind in ("warm", "resumed"):
            await phone.call(with_cookie(question, cookie))
        shown: list[Shown] = []
        for _ in range(repeat):
            call = await _call(phone, with_cookie(question, cookie), kind)
            if rejected(call) and cookie and not shown:
                # The keys have changed since we logged in; once is enough to find out.
                here.memory.forget_session(account)
                cookie = await here.cookie(phone, account)
                call = await _call(phone, with_cookie(question, cookie), kind)
            here.memory.keep_trace(call.spans)
            shown.append((call, await here.gather(call.trace_id, call.spans)))
        return shown
    finally:
        phone.hang_up()


async def _call(phone: Phone, question: Question, kind: Kind | None) -> Call:
    if kind in ("cold", "resumed"):
        phone.hang_up(forget_session=kind == "cold")
    return await phone.call(question)


def _show_known(here: Surroundings, number: str, *, stages: bool, json: bool) -> None:
    trace_id = number.lower()
    spans = trio.run(here.gather, trace_id, here.memory.trace(trace_id))
    if not spans:
        raise EdgeError(f"nobody remembers a trace {number!r}: it is too old, or never was")
    spans, root_id = rooted(spans)
    if json:
        say_json(_as_data(spans, root_id))
    else:
        _say_waterfall(spans, root_id, stages=stages)


def _model(spans: list[Span], root_id: str, *, stages: bool = False) -> Waterfall:
    model = waterfall(build(spans, root_id), with_stages=stages)
    check_sum(model.attribution)
    return model


def _say_waterfall(spans: list[Span], root_id: str, *, stages: bool) -> None:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    glyphs = drawing.UNICODE if encoding == "utf8" else drawing.ASCII
    model = _model(spans, root_id, stages=stages)
    for line in drawing.draw(model, columns(), glyphs, cut=is_colourful()):
        print("".join(paint(piece.text, _STYLES.get(piece.tone, "")) for piece in line).rstrip())


def _say_answer(call: Call, *, with_body: bool) -> None:
    if call.failed:
        print(f"edge trace: {call.failed}", file=sys.stderr)
    elif call.status >= 400 and not with_body:
        print(f"  {call.body[:500].decode(errors='replace').strip()}")
    print(f"  again: edge trace --id {call.trace_id}")
    if with_body:
        print(call.body.decode(errors="replace"))


def _say_repeats(shown: list[Shown]) -> None:
    rows, totals = [], []
    for number, (call, spans) in enumerate(shown, start=1):
        model = _model(spans, call.root_id)
        whole = model.attribution
        totals.append(whole.total_ns / 1e6)
        rows.append(
            (
                str(number),
                str(call.status or "-"),
                f"{whole.total_ns / 1e6:.2f}",
                f"{whole.unattributed_share:.1%}",
                model.connection,
                call.trace_id,
            )
        )
    say_table(("#", "STATUS", "MS", "UNATTRIBUTED", "CONNECTION", "TRACE"), rows)
    print(f"  median {statistics.median(totals):.2f} ms, best {min(totals):.2f}, worst {max(totals):.2f}\n")


def _as_data(spans: list[Span], root_id: str) -> dict[str, Any]:
    model = _model(spans, root_id)
    whole = model.attribution
    data = otlp.export(spans, time.time_ns() - time.monotonic_ns())
    # Readers of OTLP ignore keys they do not know (opentelemetry-proto, specification.md).
    data["edge"] = {
        "traceId": model.trace_id,
        "status": model.status,
        "connection": model.connection,
        "totalMs": whole.total_ns / 1e6,
        "partsMs": {part.name: part.ns / 1e6 for part in whole.parts},
        "unattributedMs": whole.unattributed_ns / 1e6,
        "unattributedShare": whole.unattributed_share,
        "processes": model.processes,
    }
    return data
