"""Which exclusions does the audit log suggest, and against which does it speak?

A rule that is wrong about a field is wrong about many clients, and none of them does anything else that is
odd.  Whoever attacks tries several kinds of attack, or several fields.  So clients are told apart first
(`_probes`): what probing ones did is no argument for an exclusion, and is counted as one against it where it
would let the same pass.  An attacker with many addresses looks like many clients, but a field in which
several kinds of attack are found is no field that one rule misreads: it is `contested`, and nothing is
proposed.

Rules that fired together are excluded together; one of them alone would let nothing pass.  What stands below
the threshold needs no exclusion.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.l7.waf.exclusion import exclusion_toml, without_id
from edge.l7.waf.explain import OWN_DECISIONS

# Somebody's text about SQL may hold a script tag as well; three kinds of attack are no accident.
FAMILIES_HONEST_MAX = 2
# A form has some fields that people write prose in; four different ones refused are a scan.
PLACES_HONEST_MAX = 3
EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where rules fired: the path without ids (`is_prefix`: it ends before one), and the values."""

    host: str
    method: str
    path: str
    is_prefix: bool
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An exclusion that the log suggests, and what an operator has to know before using it."""

    place: Place
    rules: tuple[int, ...]
    requests: int  # refused, of clients that did nothing else
    clients: int
    others: int  # hits of the same rules elsewhere, which stay
    attacks: int  # of probing clients, which it would let pass as well
    examples: tuple[str, ...]
    toml: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the log says altogether.  `probing`: clients that attack, and their requests; `contested`: places
    with attacks of several kinds; `rare`: places with too few requests or clients to say anything."""

    proposals: tuple[Proposal, ...]
    probing: Mapping[str, int]
    contested: tuple[Place, ...]
    rare: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    client: str
    place: Place
    rules: tuple[int, ...]
    families: frozenset[str]
    fragments: tuple[str, ...]
    unix_s: float


def tune(records: Iterable[Mapping[str, Any]], hits_min: int = 3, clients_min: int = 2) -> Tuning:
    """Proposals, the one that most clients speak for first and the ones that would help attackers last."""
    refusals = list(_refusals(records))
    probing = _probes(refusals)
    honest: dict[Place, list[_Refusal]] = defaultdict(list)
    of_rule: Counter[int] = Counter()
    for refusal in refusals:
        of_rule.update(refusal.rules)
        if refusal.client not in probing:
            honest[refusal.place].append(refusal)
    found, contested, rare = [], [], 0
    for place, those in honest.items():
        clients = len({refusal.client for refusal in those})
        if len(those) < hits_min or clients < clients_min:
            rare += 1
            continue
        if len({family for refusal in those for family in refusal.families}) > FAMILIES_HONEST_MAX:
            contested.append(place)
            continue
        rules = sorted({rule for refusal in those for rule in refusal.rules})
        attacks = sum(
            refusal.client in probing and refusal.place == place and set(refusal.rules) <= set(rules)
            for refusal in refusals
        )
        here = sum(len(refusal.rules) for refusal in refusals if refusal.place == place)
        found.append(
            Proposal(
                place=place,
                rules=tuple(rules),
                requests=len(those),
                clients=clients,
                others=max(0, sum(of_rule[rule] for rule in rules) - here),
                attacks=attacks,
                examples=_examples(those),
                toml=exclusion_toml(
                    rules,
                    place.variables,
                    host=place.host,
                    method=place.method,
                    path=place.path,
                    is_prefix=place.is_prefix,
                    unix_s=max(refusal.unix_s for refusal in those),
                ),
            )
        )
    found.sort(key=lambda one: (one.attacks > 0, -one.clients, -one.requests, one.rules))
    counted = Counter(refusal.client for refusal in refusals if refusal.client in probing)
    return Tuning(tuple(found), counted, tuple(contested), rare)


def _refusals(records: Iterable[Mapping[str, Any]]) -> Iterator[_Refusal]:
    for record in records:
        matches = record["matches"]
        if any(match["id"] in OWN_DECISIONS for match in matches):
            continue  # no exclusion would help
        if record["action"] not in {"block", "detect"} or not matches:
            continue
        path, is_prefix = without_id(record["path"])
        place = Place(
            record["host"].partition(":")[0],
            record["method"],
            path,
            is_prefix,
            tuple(sorted({match["variable"] for match in matches if match["variable"]})),
        )
        yield _Refusal(
            client=record["client"],
            place=place,
            rules=tuple(sorted({match["id"] for match in matches})),
            families=frozenset(tag for match in matches for tag in match["tags"]),
            fragments=tuple(match["fragment"] for match in matches),
            unix_s=record["unix_s"],
        )


def _probes(refusals: Iterable[_Refusal]) -> frozenset[str]:
    """Clients that try more kinds of attack, or more places, than somebody does who means no harm."""
    families: dict[str, set[str]] = defaultdict(set)
    places: dict[str, set[Place]] = defaultdict(set)
    for refusal in refusals:
        families[refusal.client] |= refusal.families
        places[refusal.client].add(refusal.place)
    return frozenset(
        client
        for client in places
        if len(families[client]) > FAMILIES_HONEST_MAX or len(places[client]) > PLACES_HONEST_MAX
    )


def _examples(refusals: Iterable[_Refusal]) -> tuple[str, ...]:
    """Of different requests, the longest fragment of each."""
    found: dict[str, None] = {}
    for refusal in refusals:
        found.setdefault(max(refusal.fragments, key=len))
        if len(found) == EXAMPLES_MAX:
            break
    return tuple(found)
