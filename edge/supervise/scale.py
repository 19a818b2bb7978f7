"""How many processes of a kind shall there be, by the operator's latest word?

`edge scale feed 4` changes the number for as long as the edge runs; edge.toml has the
number with which it starts.  A kind is a service ("feed") or the workers of a POP
("l7-mumbai"): what has a name with a number behind it.  L4 is a pair and DNS stands
behind an L4 with as many sockets as it has servers, so these two are edge.toml's.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from edge.common.config import Config
from edge.common.config_check import check
from edge.common.errors import ConfigError

# A typing mistake must not fork a thousand processes of 20 MB.
COUNT_MAX: Final = 64


def kinds(config: Config) -> dict[str, int]:
    """What can be scaled, and how many there are of it."""
    found = {service.name: service.instances for service in config.service}
    return found | {f"l7-{pop.name}": pop.l7 for pop in config.pops()}


def tier_of(kind: str, config: Config) -> str:
    """The tier whose supervisor owns the processes of `kind`."""
    return "service" if any(service.name == kind for service in config.service) else "l7"


def scaled(config: Config, wanted: Mapping[str, int]) -> Config:
    """`config` with these numbers.  Raises `ConfigError` for what cannot be."""
    known = kinds(config)
    problems = []
    for kind, count in wanted.items():
        if kind not in known:
            problems.append(f"{kind!r} is none of {', '.join(known)}")
        elif not 1 <= count <= COUNT_MAX:
            problems.append(f"{count} of {kind}: from 1 to {COUNT_MAX}; `edge drain` takes all work from one")
    if problems:
        raise ConfigError(problems)
    changed = msgspec.structs.replace(
        config,
        service=tuple(
            msgspec.structs.replace(service, instances=wanted.get(service.name, service.instances))
            for service in config.service
        ),
        pop=tuple(
            msgspec.structs.replace(pop, l7=wanted.get(f"l7-{pop.name}", pop.l7)) for pop in config.pop
        ),
    )
    before = {problem.text for problem in check(config)}
    found = [problem.text for problem in check(changed) if problem.text not in before]
    if found:
        raise ConfigError(found)
    return changed
