"""What `edge dig` says."""

from dataclasses import replace

from edge.cli.dig_report import Asked, as_data, lines, rows, styles
from edge.common.dns_query import Reply

WHY = "from Jaipur: mumbai at 920 km; then singapore at 4,126 km"
REPLY = Reply("NOERROR", ("127.0.1.1",), 20, False, 28, WHY, "dns-1", ("i.edge.test. 20 IN A 127.0.1.1",))
ASKED = Asked("i.edge.test", "A", "Jaipur", "192.0.2.0/28", "127.0.0.1:5300", "UDP", 0.42, REPLY)
POPS = [
    {
        "pop": "mumbai",
        "address": "127.0.1.1",
        "distance_km": 920.1,
        "healthy": True,
        "health": "2 L4 and 2 L7 ready",
    },
    {"pop": "lab", "address": "127.0.9.1", "distance_km": None, "healthy": False, "health": "no L7 ready"},
]


def test_a_person_reads_where_why_and_for_how_long() -> None:
    """The whole decision on five lines."""
    assert lines(ASKED, POPS) == [
        "i.edge.test A asked from Jaipur (192.0.2.0/28)",
        "  -> 127.0.1.1  mumbai  for 20 s",
        f"  why: {WHY}",
        "  holds for: all of 192.0.2.0/28",
        "  dns-1 at 127.0.0.1:5300 over UDP, 0.4 ms, NOERROR",
    ]


def test_a_no_is_said_as_one() -> None:
    """Nobody should have to guess from an empty line."""
    reply = replace(REPLY, status="NXDOMAIN", addresses=(), records=(), scope_bits=0, why="no such name")

    told = lines(replace(ASKED, reply=reply, place="", subnet=""), [])

    assert told[:3] == ["i.edge.test A", "  -> NXDOMAIN, no record", "  why: no such name"]


def test_other_records_are_shown_as_a_zone_file_would() -> None:
    """SOA, NS."""
    reply = replace(REPLY, addresses=(), records=("edge.test.   3600  IN  NS  ns1.edge.test.",))

    assert "     edge.test. 3600 IN NS ns1.edge.test." in lines(replace(ASKED, reply=reply), [])


def test_the_table_points_at_the_chosen_and_marks_the_sick() -> None:
    """Green and red, where there are colours; an arrow where there are none."""
    assert rows(ASKED, POPS) == [
        ("->", "mumbai", "127.0.1.1", "920", "2 L4 and 2 L7 ready"),
        ("", "lab", "127.0.9.1", "-", "no L7 ready"),
    ]
    assert styles(ASKED, POPS) == ["32", "31"]


def test_a_program_gets_everything() -> None:
    """`--json` for scripts and labs."""
    data = as_data(ASKED, POPS)

    assert data["addresses"] == ["127.0.1.1"]
    assert (data["from"], data["why"], data["process"], data["scope_bits"]) == ("Jaipur", WHY, "dns-1", 28)
    assert data["pops"] == POPS
