"""What goes to a pipe is plain."""

import pytest

from edge.cli.screen import columns, is_colourful, paint, say_json, table_lines


def test_a_pipe_gets_no_escape_sequences() -> None:
    """`edge status | grep` must not have to know about colours."""
    assert not is_colourful()
    assert paint("red", "31") == "red"


def test_no_color_is_honoured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org: any value but the empty one."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_colourful()
    monkeypatch.setenv("NO_COLOR", "")
    assert is_colourful()


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    """So that a column of pids can be compared at a glance."""
    lines = table_lines(("NAME", "PID"), [("hub", "7"), ("l4-mumbai-a", "4711")])

    assert lines == ["NAME          PID", "hub             7", "l4-mumbai-a  4711"]


def test_an_empty_table_is_its_head() -> None:
    """Nothing to show is not an error."""
    assert table_lines(("NAME",), []) == ["NAME"]


def test_width_is_bounded_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 10 columns, or of 5,000, does not break the drawing."""
    monkeypatch.setenv("COLUMNS", "10")
    assert columns() == 60
    monkeypatch.setenv("COLUMNS", "5000")
    assert columns() == 200


def test_json_goes_to_stdout_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """It is read by jq."""
    say_json({"a": [1]})

    assert capfd.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n'
