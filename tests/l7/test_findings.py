"""What a worker remembers of what its firewall found."""

from typing import Any

from edge.l7.findings import FINDINGS_MAX, Findings
from edge.l7.waf.audit import audit_record
from tests.l7.waf.samples import embedded_inspector, get


def record_of(number: int, path: str = "") -> dict[str, Any]:
    request = get((path or f"/{number}").encode() + b"?q=%3Cscript%3E")
    return audit_record(embedded_inspector().inspect_head(request, 0.0), request, request_id=f"r{number}")


def test_the_newest_are_listed_in_brief_with_the_dearest_rules_first() -> None:
    """The list is asked for each second; the whole story only on demand."""
    findings = Findings()
    findings.add(record_of(number) for number in range(FINDINGS_MAX + 5))

    told = findings.told({})

    assert [one["request_id"] for one in told] == [f"r{number}" for number in range(5, FINDINGS_MAX + 5)]
    assert [rule["id"] for rule in told[0]["rules"]] == [102000, 102010]
    assert (told[0]["action"], told[0]["path"]) == ("block", "/5")


def test_one_is_explained_by_its_id() -> None:
    """In the words of `edge waf explain`."""
    findings = Findings()
    findings.add([record_of(1), record_of(2)])

    assert any("rule 102010" in line for line in findings.told({"id": "r2"}))
    assert findings.told({"id": "r3"}) is None


def test_one_attacker_pushes_nobody_out() -> None:
    """The same thing again is the same finding, of the newest request."""
    findings = Findings()
    findings.add([record_of(1)])
    findings.add(record_of(number, "/again") for number in range(100, 1_100))

    first, last = findings.told({})

    assert (first["request_id"], first["times"]) == ("r1", 1)
    assert (last["request_id"], last["times"]) == ("r1099", 1_000)
