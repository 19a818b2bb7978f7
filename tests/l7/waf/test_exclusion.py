"""How narrow the offered exclusions are."""

import datetime
import tomllib

import pytest

from edge.l7.waf.exclusion import doubts, exclusion_toml, native_target, without_id
from edge.l7.waf.form import Exclusion
from edge.l7.waf.native import parse_native
from edge.l7.waf.problem import Problems
from edge.l7.waf.ruleset import Settings
from edge.l7.waf.variables import COLLECTIONS


def test_it_names_these_rules_this_field_this_path_and_a_day() -> None:
    """What it does not name stays inspected; after ninety days somebody has to look again."""
    text = exclusion_toml(
        [102010, 102000],
        ["ARGS:q"],
        host="i.edge.test",
        method="GET",
        path="/a%20b",
        unix_s=1_700_000_000.0,
    )

    (exclusion,) = tomllib.loads(text)["exclude"]
    assert exclusion["rules"] == ["102000", "102010"]
    assert exclusion["targets"] == ["args:q"]
    assert exclusion["when"] == {"host": "i.edge.test", "path": "/a b", "method": ["GET"]}
    assert exclusion["expires"] == datetime.date(2024, 2, 12)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/v1/feed/timeline/", ("/api/v1/feed/timeline/", False)),
        ("/api/v1/threads/17/items/", ("/api/v1/threads/", True)),
        ("/media/889_484", ("/media/", True)),
        ("/u/3fa85f64-5717-4562-b3fc-2c963f66afa6/x", ("/u/", True)),
        ("/cafebabe/x", ("/cafebabe/x", False)),  # a word
        ("/", ("/", False)),
    ],
)
def test_a_path_ends_where_an_id_begins(path: str, found: tuple[str, bool]) -> None:
    """An exclusion for thread 17 is of no use to thread 18."""
    assert without_id(path) == found


@pytest.mark.parametrize("collection", sorted(COLLECTIONS))
def test_every_variable_has_a_spelling_that_rule_files_understand(collection: str) -> None:
    """An offered table that `edge waf lint` refuses would be no offer."""
    table = exclusion_toml([1], [f"{collection}:q"], host="h", method="GET", path="/", unix_s=0.0)
    problems = Problems()

    (statement,) = parse_native(table.encode(), "x.toml", lambda name: b"", Settings(), problems)

    assert not problems.errors
    assert statement.targets[0].collection == collection, native_target(collection)  # type: ignore[union-attr]


def test_a_path_with_quotes_and_controls_is_still_toml() -> None:
    """A phone chooses its path."""
    text = exclusion_toml([1], ["ARGS:a"], host="h", method="GET", path='/"\\%00%22%0a', unix_s=0.0)

    assert tomllib.loads(text)["exclude"][0]["when"]["path"] == '/"\\\0"\n'


def test_an_exclusion_that_ended_or_was_pasted_without_a_thought_is_named() -> None:
    """Nobody reads a rule file to the end; `edge waf lint` does."""
    table = exclusion_toml([1], ["ARGS:a"], host="h", method="GET", path="/", unix_s=0.0)
    problems = Problems()
    statements = parse_native(table.encode(), "x.toml", lambda name: b"", Settings(), problems)
    exclusions = [one for one in statements if isinstance(one, Exclusion)]

    assert list(doubts(exclusions, 0.0)) == ["x.toml:1: the exclusion still has no reason of its own"]
    assert "ended at 1970-04-02" in next(doubts(exclusions, 1e9))
