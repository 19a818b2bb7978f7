"""What a line of the access log says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orjson import loads

from edge.l7.access_line import AccessLines
from edge.l7.record import Record
from tests.kit.effort import examples
from tests.kit.l7_records import attempt, record

LINES = AccessLines("l7-1", "mumbai")
NS = st.integers(0, 2**62)


def _line(one: Record) -> dict[str, float | str]:
    told: dict[str, float | str] = loads(LINES.line(one, "2026-11-23T03:00:01", 42))
    return told


@settings(max_examples=examples(150), deadline=None)
@given(
    st.binary(max_size=300),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.lists(NS, min_size=5, max_size=5),
    st.none() | st.integers(0, 2**63 - 1),
    st.integers(100, 599),
    st.booleans(),
)
def test_a_line_is_the_json_of_its_fields(
    sent: bytes, text: str, times: list[int], account: int | None, status: int, tried: bool
) -> None:
    """Whatever a phone wrote into its path or agent, a line is one line, and says exactly that."""
    tries = [attempt(endpoint=text, connected_ns=times[0], first_ns=times[1])] if tried else []
    one = record(
        target=sent, user_agent=sent[::-1], why=text, route=text, flag=text[:3], experiment=text,
        account=account, status=status, start_ns=times[2], head_ns=times[3], end_ns=times[4],
        tries=tries, first=tried,
    )  # fmt: skip

    line = LINES.line(one, "now", 7)

    assert line.count(b"\n") == 1
    told = loads(line)
    assert told["url.path"].encode("latin-1") == sent.partition(b"?")[0]
    assert told["user_agent.original"].encode("latin-1") == sent[::-1]
    assert {told[name] for name in ("edge.why", "http.route", "edge.experiment")} == {text}
    assert told["edge.flag"] == text[:3]
    assert told["edge.upstream"] == (text if tried else "")
    assert (told["enduser.id"], told["http.response.status_code"]) == (account, status)
    assert told["timestamp"] == "now.000007Z"
    # To the microsecond, which a float of this size holds; never reached: -1.
    reached = bool(times[2] and times[4])
    assert told["ta_ms"] == (
        pytest.approx((times[4] - times[2]) / 1e6, abs=0.001, rel=1e-9) if reached else -1
    )


def test_a_quote_in_a_name_does_not_end_it() -> None:
    """Names come from the configuration."""
    line = AccessLines('l7-%s"', "100%").line(record(), "", 0)

    assert loads(line)["service.instance.id"] == 'l7-%s"'
    assert loads(line)["edge.pop"] == "100%"


def test_an_internal_caller_stands_where_the_account_would() -> None:
    """It has a name and no number."""
    one = record(account=None)
    one.flow.caller = "ranking"

    assert loads(LINES.line(one, "", 0))["enduser.id"] == "ranking"


def test_the_timers_of_the_log_add_up() -> None:
    """TR + Tw + queue + Ts + Td is Ta: nothing is lost between two timers."""
    line = _line(record())

    assert (line["tr_ms"], line["tc_ms"], line["ts_ms"], line["td_ms"], line["ta_ms"]) == (
        1.0,
        1.0,
        19.0,
        1.0,
        23.0,
    )
    assert (line["url.path"], line["edge.upstream"], line["http.response.status_code"]) == (
        "/feed",
        "feed-2",
        200,
    )
    parts = sum(float(str(line[name])) for name in ("tr_ms", "tw_ms", "tc_ms", "ts_ms", "td_ms"))
    assert parts == pytest.approx(23.0, abs=1.01)


def test_what_was_never_reached_is_minus_one() -> None:
    """HAProxy's convention; a zero would be a very fast service."""
    line = _line(record(tries=[]))

    assert (line["tc_ms"], line["ts_ms"], line["td_ms"]) == (-1, -1, -1)
