"""`edge metrics`: every counter of the running edge in Prometheus' text format.  [I/O]"""

import sys
from typing import Any

import cyclopts

from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.metrics_text import exposition
from edge.cli.screen import say_json

# Scraping waits for the slowest process, and a frozen one must not hold up the others for long.
TIMEOUT_S = 2.0

app = cyclopts.App(name="metrics", help="Every counter, in Prometheus' text format.")


@app.default
def metrics(target: str = "*", *, name: str = "", json: bool = False, serve: str = "") -> None:
    """Print the counters of TARGET (a process, a service, a tier, a POP; all by default).

    Parameters
    ----------
    name
        Only counters whose name begins so: edge_l7_requests.
    json
        Plain values by process instead.
    serve
        "host:port": answer Prometheus' scrapes at /metrics there until Ctrl-C.
    """
    if serve:
        _serve(serve, target)
        return
    if json:
        say_json(_answers(target))
        return
    sys.stdout.write(exposition(_answers(target), _members(), name))


def _answers(target: str) -> dict[str, Any]:
    answers: dict[str, Any] = ask(run_dir_from_environment(), "metrics", target=target, timeout_s=TIMEOUT_S)
    return answers


def _members() -> dict[str, dict[str, Any]]:
    return {member["name"]: member for member in ask(run_dir_from_environment(), "status")}


def _serve(address: str, target: str) -> None:
    from edge.cli.metrics_http import serve_metrics
    from edge.supervise.formation import split_address

    host, port = split_address(address)
    print(f"http://{address}/metrics", file=sys.stderr)
    serve_metrics(host, port, lambda: exposition(_answers(target), _members()))
