"""`edge explain policy`: if now X dies, what will we do?  [I/O]"""

import sys
import textwrap
from collections import Counter
from dataclasses import asdict

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.policy_report import Policy, policies
from edge.cli.screen import columns, paint, say_json
from edge.common.config_file import load
from edge.common.errors import LinkLost

_STYLES = {"open": "33", "closed": "31", "keep": "32", "less": "36"}


def policy(*, json: bool = False) -> None:
    """Say for every tier what happens when something of it dies, and whether it fails open or closed.

    With the numbers of edge.toml, and the copies that live now; without a running edge
    with those that the configuration asks for.
    """
    config = load(config_path())
    copies = {service.name: service.instances for service in config.service}
    try:
        members = ask(run_dir_from_environment(), "status")
        alive = Counter(member.get("service", "") for member in members if member.get("state") == "live")
        copies = {name: alive[name] for name in copies}
    except LinkLost:
        print("edge: no edge runs here; these are the copies of the configuration", file=sys.stderr)
    found = policies(config, copies)
    if json:
        say_json([asdict(one) for one in found])
        return
    tier = ""
    for one in found:
        if one.tier != tier:
            tier = one.tier
            print(f"\n{paint(tier, '1')}")
        _say(one)
    print("\n  open: serve, at a risk · closed: refuse · keep: go on with what was known · less: serve less")


def _say(one: Policy) -> None:
    mode = paint(f"{one.mode:<7}", _STYLES[one.mode])
    text = f"when {one.when}: {one.then}  [{one.source}]"
    lines = textwrap.wrap(text, max(40, columns() - 9))
    print(f"  {mode}{lines[0]}")
    for line in lines[1:]:
        print(f"         {line}")
