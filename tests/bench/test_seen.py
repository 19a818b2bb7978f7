"""What the load generators report."""

import pytest

from bench.seen import Seen, parse, percentile, without_the_first

LINE = (
    'JSON{"requests":8000,"us":2000000,"errors":0,"p50_us":3100,"p90_us":4000,"p99_us":9000,"bytes":12345}\n'
)


def test_a_report_is_read() -> None:
    """As wrk's Lua hook prints it."""
    seen = parse(LINE)

    assert seen == Seen(8000, 2.0, 0, 3100, 4000, 9000, 12345)
    assert seen.per_s == 4000.0


@pytest.mark.parametrize("line", ["", "requests: 3", 'JSON{"requests":1}', "JSON{"])
def test_what_is_no_report_is_refused(line: str) -> None:
    """A figure that was guessed would stand in the table like any other."""
    with pytest.raises(ValueError):
        parse(line)


def test_what_came_before_the_bill_began_is_left_out_and_the_rate_stays() -> None:
    """Requests without their CPU would make everybody cheap."""
    later = without_the_first(parse(LINE), 2000)

    assert later.requests == 6000
    assert later.per_s == pytest.approx(4000.0)


def test_percentiles_are_of_the_nearest_rank() -> None:
    """Against the definition, on every small list."""
    for length in range(1, 60):
        ordered = [float(number) for number in range(1, length + 1)]
        for percent in (1, 50, 90, 99, 100):
            value = percentile(ordered, percent)
            at_most = sum(one <= value for one in ordered)
            assert at_most * 100 >= percent * length
            assert (at_most - 1) * 100 < percent * length
    assert percentile([], 99) == 0.0
