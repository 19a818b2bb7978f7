"""`edge explain request`: what would every stage say to this request?  [I/O]

Nothing is sent: the head goes through the worker's own judge and stages, built
from the same edge.toml, and the last line asks the cluster where it would go.
"""

import random
import sys
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import cyclopts
import msgspec

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.screen import paint, say_json
from edge.common.config import ClusterConfig, Config
from edge.common.config_file import load
from edge.common.errors import ConfigError, EdgeError
from edge.common.log import Log
from edge.common.messages import Member
from edge.common.trace import new_context
from edge.l7.compose import Stages
from edge.l7.dry_run import DryRun, Step, dry_run
from edge.l7.http1.rules import limits_of
from edge.l7.upstream.affinity import affinity_key
from edge.l7.upstream.cluster import Cluster

REQUEST_BYTES_MAX = 4 * 1024 * 1024


def explain_request(
    what: str,
    *,
    method: str = "GET",
    header: Annotated[list[str] | None, cyclopts.Parameter(name=["--header", "-H"], negative="")] = None,
    body: str = "",
    source: str = "127.0.0.1",
    caller: str = "",
    json: bool = False,
) -> None:
    """Print every stage's verdict on a request without sending it.

    WHAT is a URL, a path, a file that holds a request as it stands on the wire
    ("-" reads it from standard input).  --header "name: value" may be given more
    than once; --source is the phone's address, --caller the name in its certificate.
    Exit status 1 if it would be refused.
    """
    config = load(config_path())
    raw = request_bytes(what, config, method, header or [], body.encode())
    run_dir = run_dir_from_environment()
    stages = Stages(config, run_dir, Log("edge-cli", "explain", stream=sys.stderr))
    found = dry_run(
        raw,
        limits_of(config.l7),
        stages.by_name(),
        stages.route.table,
        source=source,
        caller=caller,
        now=time.monotonic(),
        unix_now=time.time(),
        trace=new_context(random.SystemRandom().randbytes(24)),
        judge_body=lambda request: stages.waf.judge_body(request, time.monotonic(), time.time()),
    )
    steps = [*found.steps, *_onward(config, found, run_dir)]
    if json:
        say_json([msgspec.to_builtins(step) for step in steps])
    else:
        for line in lines(steps):
            print(line)
    if not found.steps[-1].passes:
        sys.exit(1)


def request_bytes(what: str, config: Config, method: str, headers: list[str], body: bytes) -> bytes:
    """The request that WHAT stands for.  Raises `ConfigError` for what stands for none."""
    if what == "-":
        return sys.stdin.buffer.read(REQUEST_BYTES_MAX)
    path = Path(what)
    if not what.startswith("/") and "://" not in what:
        if not path.is_file():
            raise ConfigError([f"{what}: neither a URL, nor a path that begins with /, nor a file"])
        with path.open("rb") as file:
            return file.read(REQUEST_BYTES_MAX)
    url = urlsplit(what)
    target = what.partition(url.netloc)[2] if url.netloc else what
    given = [line.partition(":")[0].strip().lower() for line in headers]
    fields = [line for line in headers if ":" in line]
    if "host" not in given:
        fields.insert(0, f"Host: {url.netloc or config.domain}")
    if "user-agent" not in given:
        fields.append("User-Agent: edge-explain")
    if body and "content-length" not in given:
        fields.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{method} {target or '/'} HTTP/1.1", *fields])
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def lines(steps: list[Step]) -> list[str]:
    """One line a step, aligned."""
    stage_columns = max(len(step.stage) for step in steps)
    verdict_columns = max(len(step.verdict) for step in steps)
    return [
        f"{step.stage.ljust(stage_columns)}  "
        f"{paint(step.verdict.ljust(verdict_columns), '32' if step.passes else '31')}  {step.why}".rstrip()
        for step in steps
    ]


def _onward(config: Config, found: DryRun, run_dir: Path) -> list[Step]:
    request = found.request
    if request is None or request.route is None or not found.steps[-1].passes:
        return []
    for cluster_config in config.cluster:
        if cluster_config.name == request.route.cluster:
            now = time.monotonic()
            cluster = Cluster(cluster_config, now, random, config.service)
            known = _members(run_dir)
            cluster.update(known, now)
            pick = cluster.pick(affinity_key(cluster_config, request), (), now, random)
            among = "as the hub knows them" if known else "by the configuration: no hub answers"
            if pick is None:
                return [Step("balance", "answer 503 UH", cluster.refusal(now).why, passes=False)]
            why = f"{pick.endpoint} at {pick.address}: {pick.why} ({among}){_hedged(cluster_config)}"
            return [Step("balance", "forward", why)]
    return []


def _hedged(config: ClusterConfig) -> str:
    after = []
    if config.hedge.quantile:
        after.append(f"what {config.hedge.quantile:.0%} of the latest answers took to begin")
    if config.hedge.after_ms:
        after.append(f"{config.hedge.after_ms:g} ms")
    return f"; another copy too, after {' and '.join(after)}" if after else ""


def _members(run_dir: Path) -> list[Member]:
    try:
        return [msgspec.convert(member, Member) for member in ask(run_dir, "status")]
    except (EdgeError, OSError):
        return []
