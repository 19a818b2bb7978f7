"""The dense table."""

from typing import Any

from edge.cli.top_report import HEAD, Look, lines, rows, styles, totals
from edge.common.config import Config, PopConfig
from edge.common.messages import Member
from edge.common.metrics import Registry
from edge.common.places import Place
from edge.supervise.formation import Spec, formation

CONFIG = Config(pop=(PopConfig(name="here", address="127.0.0.1", place=Place(north=0, east=0)),))
EXPECTED: tuple[Spec, ...] = formation(CONFIG)
L7 = next(spec for spec in EXPECTED if spec.tier == "l7")


def look(at_s: float, ok: int, failed: int = 0, faults: dict[str, Any] | None = None) -> Look:
    registry = Registry()
    family = registry.counter("edge_l7_requests_total", "", ("route", "code", "flag"))
    family.child("feed", "200", "-").value = ok
    family.child("feed", "503", "UH").value = failed
    seconds = registry.histogram("edge_l7_request_duration_seconds", "").child()
    for _ in range(ok):
        seconds.observe(0.02)
    member = Member(name=L7.name, tier="l7", pid=7, pop="here", state="live", load={"in_flight": 3.0})
    return Look(at_s, [member], {L7.name: registry.snapshot()}, {}, faults or {})


def cells(before: Look, after: Look) -> dict[str, str]:
    found = rows(before, after, EXPECTED)
    told = dict(zip([line[0] for line in lines(found, 0.0)], lines(found, 0.0), strict=True))
    return dict(zip(HEAD, told[L7.name], strict=True))


def test_rates_are_of_the_time_between_two_looks() -> None:
    """HAProxy's users look at this column first."""
    told = cells(look(10.0, ok=100), look(12.0, ok=150, failed=4))

    assert told["REQ/S"] == "27.0"
    assert told["ERR/S"] == "2.0"
    assert told["BUSY"] == "3"
    assert 10 <= float(told["P99 MS"]) <= 25


def test_what_nobody_measured_is_not_zero() -> None:
    """A zero would claim that somebody looked."""
    told = cells(look(10.0, ok=5), look(11.0, ok=5))

    assert told["REQ/S"] == "0.0"
    assert told["P50 MS"] == "-"


def test_what_is_missing_of_the_formation_stands_in_its_tier() -> None:
    """The eye finds the hole where the process was."""
    found = rows(look(1.0, 1), look(2.0, 2), EXPECTED)

    missing = {row["name"] for row in found if row["state"] == "missing"}
    assert L7.name not in missing
    assert {spec.name for spec in EXPECTED if spec.tier in ("dns", "l4", "service")} <= missing
    assert [row["tier"] for row in found] == sorted(
        (row["tier"] for row in found), key=["control", "dns", "l4", "l7", "service"].index
    )


def test_errors_faults_and_absence_have_their_colours() -> None:
    """Red is broken, yellow is made to suffer."""
    quiet = rows(look(1.0, 1), look(2.0, 2), EXPECTED)
    failing = rows(look(1.0, 1), look(2.0, 2, failed=1), EXPECTED)
    faulted = rows(look(1.0, 1), look(2.0, 2, faults={L7.name: [{"text": "latency 300 ms"}]}), EXPECTED)

    def style(found: list[dict[str, Any]]) -> str:
        return dict(zip([row["name"] for row in found], styles(found), strict=True))[L7.name]

    assert (style(quiet), style(failing), style(faulted)) == ("", "31", "33")


def test_the_last_line_sums_up_by_tier() -> None:
    """One glance for the whole edge."""
    found = rows(look(1.0, 0), look(2.0, 40), EXPECTED)

    assert "l7 40.0 requests/s" in totals(found, bans=2)
    assert totals(found, bans=2).endswith("2 banned")
