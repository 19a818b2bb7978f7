"""`edge waf`: try, explain and tune the firewall without touching a running edge.  [I/O]

Everything here runs the real engine on files.  Audit records are JSON lines as the worker writes them
(event.name "edge.waf"); a log may hold other lines, which are skipped.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import cyclopts

from edge.cli.hub import run_dir_from_environment
from edge.common.errors import ConfigError
from edge.l7.audit_log import audit_files
from edge.l7.waf.audit import audit_record, is_audit_record
from edge.l7.waf.exclusion import doubts
from edge.l7.waf.explain import explain as explanation
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.replayed import can_be_replayed, head_of, refuses
from edge.l7.waf.ruleset import Settings
from edge.l7.waf.sample import SampleError, parse_sample
from edge.l7.waf.tune import Proposal, Tuning
from edge.l7.waf.tune import tune as tuned
from edge.l7.waf.warm_up import warm_up


class UnreadableLog(ConfigError):
    """The log that was named is not there or may not be read."""


app = cyclopts.App(name="waf", help="Try, explain, check and tune the firewall's rules.")

# One line of a log; anything longer is none of ours.
LINE_BYTES_MAX = 1 << 20

Rules = Annotated[list[Path] | None, cyclopts.Parameter(name="--rules", help="Rule files or directories.")]
Embedded = Annotated[bool, cyclopts.Parameter(help="Use the rules that come with the edge as well.")]
Paranoia = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=4))]
Log = Annotated[
    Path | None,
    cyclopts.Parameter(
        help='An audit log, "-" for stdin; without it, those of the edge that runs here.',
        allow_leading_hyphen=True,
    ),
]
# Workers write what they found four times a second; an id may be asked for sooner.
WRITTEN_WITHIN_S = 0.5


@app.command(name="test")
def try_request(
    request: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)],
    *,
    rules: Rules = None,
    embedded: Embedded = True,
    paranoia: Paranoia = 1,
    as_json: Annotated[bool, cyclopts.Parameter(name="--json", negative=())] = False,
) -> int:
    """What would happen to this request?  REQUEST is a file with raw HTTP, "-" for stdin, or a curl line in
    quotes.  Exit status 1 if it would be refused."""
    if request.lstrip().startswith("curl "):
        text = request.encode()
    else:
        try:
            text = sys.stdin.buffer.read() if request == "-" else Path(request).read_bytes()
        except OSError as error:
            print(f"{request or 'an empty name'}: {error.strerror}", file=sys.stderr)
            return 2
    try:
        head, body = parse_sample(text)
    except SampleError as error:
        print(error, file=sys.stderr)
        return 2
    inspector = _inspector(rules, embedded, paranoia)
    warm_up(inspector)  # as a worker does before its first phone
    began = time.perf_counter()
    verdict = (
        inspector.inspect_body(head, body, time.time()) if body else inspector.inspect_head(head, time.time())
    )
    spent_us = (time.perf_counter() - began) * 1e6
    record = audit_record(verdict, head, request_id="test", inspect_us=spent_us, unix_s=time.time())
    if as_json:
        print(json.dumps(record))
    else:
        print("\n".join(explanation(record)))
        print(f"\ninspected in {spent_us:.0f} us (matchers warm, this request never seen before)")
    return 1 if verdict.action == "block" else 0


@app.command
def lint(*sources: Path, embedded: Embedded = True, quiet: bool = False) -> int:
    """Are these rules usable, what was left out, and which exclusions want a second look?

    Exit status 2 if they are not usable; every mistake is printed with file and line.
    """
    ruleset = load_ruleset(sources, Settings(paranoia=4, detection_paranoia=4), embedded=embedded)
    notes = [*ruleset.notes, *doubts(ruleset.exclusions, time.time())]
    if not quiet:
        for note in notes:
            print(note)
    print(
        ", ".join(
            (
                _count(len(ruleset.rules), "rule"),
                _count(len(ruleset.exclusions), "exclusion"),
                _count(len(notes), "note"),
            )
        )
    )
    return 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


@app.command
def explain(request_id: str, *, log: Log = None) -> int:
    """Why was this request blocked?  Looks the id up in the audit log and offers the narrowest exclusion."""
    record = _find(request_id, log)
    if record is None and log is None and (run_dir_from_environment() / "control.sock").exists():
        time.sleep(WRITTEN_WITHIN_S)
        record = _find(request_id, log)
    if record is None:
        print(
            f"no audit record for {request_id}: no rule said anything about it, or it was long ago; "
            f"`edge trace --id {request_id}` tells what else happened",
            file=sys.stderr,
        )
        return 1
    print("\n".join(explanation(record)))
    return 0


@app.command
def tune(*, log: Log = None, hits_min: int = 3, clients_min: int = 2, most: int = 10) -> int:
    """Which exclusions does the log suggest?  Prints tables for a rule file, each with its reasons.

    Clients that attack in several ways argue for nothing and are counted apart.  A place is proposed when
    --clients-min others were refused there, --hits-min times together.
    """
    found = tuned(_records(log), hits_min, clients_min)
    for proposal in found.proposals[:most]:
        print("\n".join(_argued(proposal)) + "\n")
    print(_rest(found, most), file=sys.stderr)
    return 0


def _argued(proposal: Proposal) -> list[str]:
    place = proposal.place
    lines = [
        f"# {place.method} {place.path}{'...' * place.is_prefix}, {', '.join(place.variables)}: "
        f"{_count(proposal.requests, 'request')} of {_count(proposal.clients, 'client')} "
        "without any other sign of an attack",
        *(f"#   {example!r}" for example in proposal.examples),
        f"#   {proposal.others} other hits of these rules stay",
    ]
    if proposal.attacks:
        lines.append(f"#   CAREFUL: {proposal.attacks} attacks came the same way and would pass as well")
    return [*lines, proposal.toml]


def _rest(found: Tuning, most: int) -> str:
    told = [_count(len(found.proposals), "proposal") + f", {most} shown" * (len(found.proposals) > most)]
    if found.probing:
        worst = max(found.probing, key=lambda client: found.probing[client])
        told.append(
            f"{_count(sum(found.probing.values()), 'request')} of {_count(len(found.probing), 'client')} "
            f"that attack suggest nothing (most from {worst})"
        )
    if found.contested:
        names = ", ".join(f"{place.path} {' '.join(place.variables)}" for place in found.contested[:3])
        told.append(f"attacks of several kinds in {_count(len(found.contested), 'place')} ({names})")
    if found.rare:
        told.append(f"too few requests or clients to tell in {_count(found.rare, 'place')}")
    return "; ".join(told)


@app.command
def replay(
    log: Annotated[Path, cyclopts.Parameter(allow_leading_hyphen=True)],
    *,
    rules: Rules = None,
    embedded: Embedded = True,
    paranoia: Paranoia = 1,
) -> int:
    """Which decisions in a log would be different under other rules?  Exit status 1 if any.

    Only what the log holds can be replayed: method, host and target.  Bodies and secrets are not in it, so
    decisions that rest on them are counted and left alone.
    """
    inspector = _inspector(rules, embedded, paranoia)
    changed = total = beyond = 0
    for record in _records(log):
        total += 1
        if not can_be_replayed(record):
            beyond += 1
            continue
        verdict = inspector.inspect_head(head_of(record), record["unix_s"])
        was, now = record["action"] in {"block", "detect"}, refuses(verdict, record)
        if was != now:
            changed += 1
            decision = f"{record['action']} -> {'block' if now else 'pass'}"
            print(f"{record['request_id']}  {decision}  {record['method']} {record['target']}")
    print(
        f"{changed} of {total - beyond} decisions change"
        + f"; {beyond} more rest on bodies or fields that the log does not keep" * (beyond > 0),
        file=sys.stderr,
    )
    return 1 if changed else 0


def _inspector(rules: list[Path] | None, embedded: bool, paranoia: int) -> Inspector:
    settings = Settings(paranoia=paranoia, detection_paranoia=paranoia)
    return Inspector(load_ruleset(rules or [], settings, embedded=embedded))


def _find(request_id: str, log: Path | None) -> dict[str, Any] | None:
    return next((record for record in _records(log) if record["request_id"] == request_id), None)


def _records(log: Path | None) -> Iterator[dict[str, Any]]:
    """Audit records of a log file, "-" for stdin; without a name, the audit logs of the edge's workers."""
    for path in [log] if log is not None else audit_files(run_dir_from_environment()):
        try:
            stream = sys.stdin if str(path) == "-" else path.open(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UnreadableLog([f"{path}: {error.strerror}"]) from None
        with stream:
            yield from _records_in(stream)


def _records_in(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if len(line) > LINE_BYTES_MAX or "edge.waf" not in line:
            continue
        try:
            # honcho puts the process's name before each line.
            record = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if is_audit_record(record):
            yield record
