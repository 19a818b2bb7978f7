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
from edge.common.errors import EdgeError
from edge.l7.audit_log import audit_files
from edge.l7.waf.audit import audit_record, is_audit_record
from edge.l7.waf.explain import explain as explanation
from edge.l7.waf.explain import tune as proposals
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import Settings
from edge.l7.waf.sample import SampleError, parse_sample
from edge.l7.waf.warm_up import warm_up


class UnreadableLog(EdgeError):
    """The log that was named is not there or may not be read."""

    blame = "operator"
    status_hint = None


app = cyclopts.App(name="waf", help="Try, explain, check and tune the firewall's rules.")

# One line of a log; anything longer is none of ours.
LINE_BYTES_MAX = 1 << 20

Rules = Annotated[list[Path] | None, cyclopts.Parameter(name="--rules", help="Rule files or directories.")]
Embedded = Annotated[bool, cyclopts.Parameter(help="Use the rules that come with the edge as well.")]


@app.command(name="test")
def try_request(
    request: str, *, rules: Rules = None, embedded: Embedded = True, paranoia: int = 1, as_json: bool = False
) -> int:
    """What would happen to this request?  REQUEST is a file with raw HTTP, "-" for stdin, or a curl line in
    quotes."""
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
    """Are these rules usable, and what was left out?"""
    ruleset = load_ruleset(sources, Settings(paranoia=4, detection_paranoia=4), embedded=embedded)
    if not quiet:
        for note in ruleset.notes:
            print(note)
    print(f"{len(ruleset.rules)} rules, {len(ruleset.exclusions)} exclusions, {len(ruleset.notes)} notes")
    return 0


@app.command
def explain(request_id: str, *, log: Path | None = None) -> int:
    """Why was this request blocked?  Looks the id up in the audit log and offers the narrowest exclusion."""
    for record in _records(log):
        if record["request_id"] == request_id:
            print("\n".join(explanation(record)))
            return 0
    print(f"no audit record for {request_id}", file=sys.stderr)
    return 1


@app.command
def tune(*, log: Path | None = None, hits_min: int = 3, most: int = 10) -> int:
    """Which exclusions does the log suggest?"""
    for proposal in proposals(_records(log), hits_min)[:most]:
        print(
            f"# rule {proposal.rule} on {proposal.variable} at {proposal.path}: "
            f"{proposal.hits} hits of {proposal.clients} clients; {proposal.others} other hits stay"
        )
        print(proposal.toml + "\n")
    return 0


@app.command
def replay(log: Path, *, rules: Rules = None, embedded: Embedded = True, paranoia: int = 1) -> int:
    """Which decisions in a log would be different under other rules?

    Only what the log holds can be replayed: method, host and target.  Bodies and secrets are not in it.
    """
    inspector = _inspector(rules, embedded, paranoia)
    changed = total = 0
    for record in _records(log):
        total += 1
        headers = ((b"host", record["host"].encode("latin-1")),)
        target = record["target"].encode("latin-1")
        head = WafRequest(record["client"], record["method"], target, "HTTP/1.1", headers)
        verdict = inspector.inspect_head(head, record["unix_s"])
        was, now = record["action"] in {"block", "detect"}, verdict.action != "pass"
        if was != now:
            changed += 1
            decision = f"{record['action']} -> {verdict.action}"
            print(f"{record['request_id']}  {decision}  {record['method']} {record['target']}")
    print(f"{changed} of {total} decisions change", file=sys.stderr)
    return 1 if changed else 0


def _inspector(rules: list[Path] | None, embedded: bool, paranoia: int) -> Inspector:
    settings = Settings(paranoia=paranoia, detection_paranoia=paranoia)
    return Inspector(load_ruleset(rules or [], settings, embedded=embedded))


def _records(log: Path | None) -> Iterator[dict[str, Any]]:
    """Audit records of a log file, "-" for stdin; without a name, the audit logs of the edge's workers."""
    for path in [log] if log is not None else audit_files(run_dir_from_environment()):
        try:
            stream = sys.stdin if str(path) == "-" else path.open(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UnreadableLog(f"{path}: {error.strerror}") from None
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
