"""Expectations are a small language, and nothing else of Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lab.expect import METRICS, Unanswerable, count, evaluate, operands, problems_of
from edge.lab.measure import summary

MEASURES = {
    "one": {"phones": {"p95_ms": 400.0, "errors": 2, "after": {"errors": 1}}, "counters": []},
    "four": {"phones": {"p95_ms": 40.0, "errors": 0, "after": {"errors": 0}}, "counters": []},
}
KNOWN = {"one": {"phones": {"after": {}}}, "four": {"phones": {"after": {}}}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("one.phones.p95_ms > 3 * four.phones.p95_ms", True),
        ("one.phones.p95_ms / four.phones.p95_ms", 10.0),
        ("four.phones.errors == 0 and one.phones.after.errors < 2", True),
        ("not one.phones.errors == 0", True),
        ("1 < one.phones.errors <= 2", True),
        ("min(one.phones.p95_ms, four.phones.p95_ms)", 40.0),
        ("abs(four.phones.p95_ms - one.phones.p95_ms)", 360.0),
        ("-one.phones.errors", -2),
    ],
)
def test_expressions_have_the_values_that_python_gives_them(expression: str, value: object) -> None:
    """A lab's author knows the grammar already."""
    assert evaluate(expression, MEASURES) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "one.__class__",
        "(1).bit_length()",
        "[x for x in (1, 2)]",
        "one.phones['p95_ms']",
        "lambda: 1",
        "open('/etc/passwd')",
        "2 ** 1000",
        "one.phones.p95_ms if 1 else 2",
        "f'{one}'",
        "1 +",
        "one.phones.errors / four.phones.errors",
        "seven.phones.errors",
        "x" * 501,
    ],
)
def test_nothing_else_can_be_said(expression: str) -> None:
    """A lab's file may come from anywhere; it can measure, and do nothing."""
    with pytest.raises(Unanswerable):
        evaluate(expression, MEASURES)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("seven.phones.errors == 0", "no variant"),
        ("one.people.errors == 0", "no load"),
        ("one.phones.before.errors == 0", "no window"),
        ("one.phones.p96_ms > 1", "no metric"),
        ("one.errors > 1", "lacks its load"),
        ("sum(one.phones.errors)", "no function"),
        ("one.phones.errors ** 2", "+ - * /"),
        ("one.phones.errors in (1, 2)", "not part"),
    ],
)
def test_mistakes_are_found_before_a_lab_runs(expression: str, hint: str) -> None:
    """Nobody wants to hear of a typing error after two minutes of load."""
    assert any(hint in problem for problem in problems_of(expression, KNOWN))


def test_a_good_expression_has_no_problem() -> None:
    """The check must not cry wolf."""
    assert (
        list(problems_of("one.phones.after.errors < 2 and count(one, 'a_total', code='500') == 0", KNOWN))
        == []
    )


def test_a_counter_is_summed_over_the_labels_that_are_not_named() -> None:
    """As PromQL's sum() would."""
    variant = {
        "counters": [("a", {"code": "200", "process": "x"}, 3.0), ("a", {"code": "500"}, 1.0), ("b", {}, 9.0)]
    }

    assert count(variant, "a", {}) == 4.0
    assert count(variant, "a", {"code": "500"}) == 1.0
    assert evaluate("count(v, 'a', code='200') + 1", {"v": variant}) == 4.0


def test_what_an_expression_looked_at_can_be_shown_beside_it() -> None:
    """A verdict without its numbers convinces nobody."""
    assert operands("one.phones.p95_ms > 3 * four.phones.p95_ms", MEASURES) == [
        ("one.phones.p95_ms", 400.0),
        ("four.phones.p95_ms", 40.0),
    ]


def test_every_metric_of_the_language_is_measured() -> None:
    """Two lists of names, in two modules, stay one list."""
    assert set(summary([], 1.0)) == METRICS


@given(st.text(max_size=60))
def test_no_text_breaks_the_evaluator(text: str) -> None:
    """It answers, or says that it cannot."""
    try:
        evaluate(text, MEASURES)
    except Unanswerable:
        pass
    list(problems_of(text, KNOWN))
