"""What the log argues for, and what it argues against."""

import tomllib
from urllib.parse import quote

from edge.l7.waf.audit import audit_record
from edge.l7.waf.tune import tune
from tests.l7.waf.samples import embedded_inspector, get

ATTACKS = (
    "1' or '1'='1",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "; cat /etc/passwd",
    "${jndi:ldap://x}",
)


def record_of(target: str, client: str) -> dict[str, object]:
    request = get(target.encode())
    verdict = embedded_inspector().inspect_head(request, 0.0)
    return audit_record(verdict, request, request_id="r1") | {"client": client}


def scan(client: str, place: str = "/search?q=") -> list[dict[str, object]]:
    """What somebody sends who wants in."""
    return [record_of(place + quote(attack), client) for attack in ATTACKS]


def people(number: int, target: str) -> list[dict[str, object]]:
    """One request each of so many clients."""
    return [record_of(target, f"198.51.100.{each}") for each in range(number)]


def test_many_clients_on_one_field_are_the_rules_fault() -> None:
    """They do nothing else.  One exclusion names all rules that fired together, or nothing would pass."""
    records = [*people(5, "/notes?text=%3Cscript%3E"), record_of("/x?y=%3Cscript%3E", "203.0.113.9")]

    (proposal,) = tune(records).proposals

    assert (proposal.place.path, proposal.place.variables) == ("/notes", ("ARGS:text",))
    assert (proposal.requests, proposal.clients, proposal.attacks) == (5, 5, 0)
    assert set(proposal.rules) == {102000, 102010}
    assert proposal.others == 2, "the other one's hits of both rules"
    assert "<script>" in proposal.examples[0]
    assert len(tomllib.loads(proposal.toml)["exclude"][0]["rules"]) == 2


def test_attacks_suggest_nothing() -> None:
    """However many addresses they come from: who tries three families is no phone."""
    found = tune([record for number in range(4) for record in scan(f"127.66.{number}.1")])

    assert found.proposals == ()
    assert found.probing == {f"127.66.{number}.1": 5 for number in range(4)}


def test_somebody_who_tries_one_attack_everywhere_attacks() -> None:
    """Four fields refused are no habit of writing."""
    records = [record_of(f"/p{number}?q=%3Cscript%3E", "127.66.1.1") for number in range(4)]

    assert tune(records, hits_min=1, clients_min=1).proposals == ()


def test_an_exclusion_that_would_help_attackers_says_so_and_comes_last() -> None:
    """The operator has to weigh it."""
    safe = people(3, "/notes?text=%3Cscript%3E")
    unsafe = people(4, "/search?q=%3Cscript%3Ealert(1)%3C/script%3E")

    first, last = tune(safe + unsafe + scan("127.66.1.1")).proposals

    assert (first.place.path, first.attacks) == ("/notes", 0)
    assert (last.place.path, last.attacks) == ("/search", 1)


def test_ids_in_paths_are_one_place() -> None:
    """Each conversation has its own path, and none of them three hits."""
    records = [
        record_of(f"/threads/{number}/?text=%3Cscript%3E", f"198.51.100.{number}") for number in range(4)
    ]

    (proposal,) = tune(records).proposals

    assert proposal.place.path == "/threads/"
    assert tomllib.loads(proposal.toml)["exclude"][0]["when"]["path_prefix"] == "/threads/"


def test_what_was_let_pass_needs_no_exclusion() -> None:
    """Signs below the threshold refuse nobody."""
    records = [record | {"action": "pass"} for record in people(5, "/notes?text=%3Cscript%3E")]

    assert tune(records).proposals == ()


def test_one_client_is_no_argument() -> None:
    """He may be right or may be attacking with one thing only; nobody can tell, so it is counted as such."""
    found = tune([record_of("/notes?text=%3Cscript%3E", "127.66.1.1") for _ in range(50)])

    assert (found.proposals, found.rare) == ((), 1)


def test_an_attacker_with_many_addresses_suggests_nothing() -> None:
    """One request from each is many clients; but no rule misreads a field in three ways."""
    records = [record | {"client": f"198.51.100.{at}"} for at, record in enumerate(scan("127.66.1.1"))]

    found = tune(records)

    assert found.proposals == ()
    assert [place.variables for place in found.contested] == [("ARGS:q",)]
