"""`edge trace`: one request as a phone makes it, drawn as a waterfall.  [I/O]"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import trio
from cyclopts import Parameter

from edge.cli.phone import Surroundings, rejected, with_cookie
from edge.cli.screen import say_table
from edge.cli.trace_export import Format, write
from edge.cli.trace_kept import HEAD, listed, rows
from edge.cli.trace_push import push_if_wanted
from edge.cli.trace_show import (
    Trace,
    say_answer,
    say_comparison,
    say_repeats,
    say_steps,
    say_waterfall,
)
from edge.common.errors import ConfigError, EdgeError
from edge.common.spans import Span
from edge.phone.call import Call, Phone, Question
from edge.phone.span_tree import rooted

FEED = "/api/v1/feed/timeline/"
Kind = Literal["cold", "resumed", "warm"]
KINDS: tuple[Kind, ...] = ("cold", "resumed", "warm")

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
    compare: tuple[str, str] | None = None,
    slow: Annotated[bool, Parameter(negative=())] = False,
    failed: Annotated[bool, Parameter(negative=())] = False,
    step: Annotated[bool, Parameter(negative=())] = False,
    method: Annotated[str, Parameter(name=["--method", "-X"])] = "",
    data: Annotated[str | None, Parameter(name=["--data", "-d"])] = None,
    header: Annotated[list[str] | None, Parameter(name=["--header", "-H"], negative=())] = None,
    stages: Annotated[bool, Parameter(negative=())] = False,
    body: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    format: Annotated[Format | None, Parameter(name=["--format", "-o"])] = None,
    output: Path | None = None,
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
    compare
        Two traces side by side, and why they differ: ids, or "cold", "warm", "resumed" for a fresh one.
    slow
        List the slow requests that L7 has kept.
    failed
        List the failed requests that L7 has kept.
    step
        Walk through the request hop by hop: what came in, what was decided, what went out.
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
        The same as -o json.
    format
        Export instead of drawing; json is OTLP with the sums of the waterfall beside the spans.
    output
        Write the export to this file instead of stdout.
    """
    if cold + warm + resume > 1:
        raise ConfigError(["--cold, --warm and --resume exclude each other"])
    if output is not None and format is None and not json:
        raise ConfigError(["--output FILE needs -o: which format shall it have?"])
    chosen: Format | None = format or ("json" if json else None)
    here = Surroundings()
    if slow or failed:
        _list_kept(here, slow=slow, failed=failed)
        return
    kind: Kind | None = "cold" if cold else "warm" if warm else "resumed" if resume else None
    question = here.question(target, method, header or [], data)
    if compare is not None:
        both = [_one_of(here, word, question, city, account) for word in compare]
        _warn(here)
        say_comparison(both[0], both[1], as_json=chosen == "json")
        return
    calls: list[tuple[Call, Trace]] = []
    if number:
        shown = _known(here, number)
    else:
        calls = trio.run(_visit, here, question, city, account, kind, max(1, repeat))
        shown = calls[-1][1]
    _warn(here)
    push_if_wanted(shown.spans)
    if chosen is not None:
        write(shown, chosen, output)
    elif step:
        say_steps(shown)
    else:
        if len(calls) > 1:
            say_repeats(calls)
        say_waterfall(shown, with_stages=stages)
        if calls:
            say_answer(calls[-1][0], with_body=body)
    sys.exit(1 if calls and calls[-1][0].failed else 0)


async def _visit(
    here: Surroundings, question: Question, city: str, account: str, kind: Kind | None, repeat: int
) -> list[tuple[Call, Trace]]:
    phone = here.phone(city)
    try:
        cookie = await here.cookie(phone, account)
        if kind in ("warm", "resumed"):
            await phone.call(with_cookie(question, cookie))
        shown: list[tuple[Call, Trace]] = []
        for _ in range(repeat):
            call = await _call(phone, with_cookie(question, cookie), kind)
            if rejected(call) and cookie and not shown:
                # The keys have changed since we logged in; once is enough to find out.
                here.memory.forget_session(account)
                cookie = await here.cookie(phone, account)
                call = await _call(phone, with_cookie(question, cookie), kind)
            here.memory.keep_trace(call.spans)
            shown.append((call, Trace(await here.gather(call.trace_id, call.spans), call.root_id)))
        return shown
    finally:
        phone.hang_up()


async def _call(phone: Phone, question: Question, kind: Kind | None) -> Call:
    if kind in ("cold", "resumed"):
        phone.hang_up(forget_session=kind == "cold")
    return await phone.call(question)


def _one_of(here: Surroundings, word: str, question: Question, city: str, account: str) -> Trace:
    """A fresh request of that kind, or the trace of that id."""
    for kind in KINDS:
        if word == kind:
            return trio.run(_visit, here, question, city, account, kind, 1)[-1][1]
    return _known(here, word)


def _known(here: Surroundings, number: str) -> Trace:
    trace_id = number.lower()
    spans: list[Span] = trio.run(here.gather, trace_id, here.memory.trace(trace_id))
    if not spans:
        raise EdgeError(here.away or f"nobody remembers a trace {number!r}: it is too old, or never was")
    return Trace(*rooted(spans))


def _list_kept(here: Surroundings, *, slow: bool, failed: bool) -> None:
    """Slow or failed requests, the newest last, so that it stands above the prompt."""
    slow_ms = here.config.l7.slow_request_s * 1000
    found = listed(here.ask("recent", kept=True), slow_ms if slow else None, with_failed=failed)
    if not found:
        words = " or ".join(word for word, wanted in (("slow", slow), ("failed", failed)) if wanted)
        print(f"no {words} request is remembered", file=sys.stderr)
        return
    say_table(HEAD, rows(found, here.monotonic_ns()))
    print("\n  edge trace --id ID draws one, edge explain ID tells it", file=sys.stderr)


def _warn(here: Surroundings) -> None:
    if here.away:
        print(f"edge trace: {here.away}; only the phone's own part is known", file=sys.stderr)
