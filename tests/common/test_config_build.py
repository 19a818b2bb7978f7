"""Plain values to typed ones, with every misfit reported."""

from edge.common.config import Config, Port
from edge.common.config_build import build, describe

PLACE = {"north": 19.0, "east": 72.9}


def test_all_misfits_are_reported_and_the_rest_is_built() -> None:
    """An operator mends three mistakes in one go, not in three runs."""
    built = build({"https-port": "a", "dns": {"ttl-s": -1, "workers": 3}, "domain": 7})

    assert {problem.path for problem in built.problems} == {("https-port",), ("dns", "ttl-s"), ("domain",)}
    assert built.config.dns.workers == 3
    assert built.config.https_port == Config().https_port


def test_an_unknown_key_gets_a_suggestion() -> None:
    """Most unknown keys are typing mistakes."""
    problem = build({"htps-port": 1}).problems[0]

    assert problem.text == 'unknown key (did you mean "https-port"?)'


def test_an_element_of_no_use_is_left_out_and_remembered() -> None:
    """So that references to it are not reported as well."""
    built = build({"pop": [{"name": "a"}, {"name": "b", "address": "127.0.1.1", "place": PLACE}]})

    assert [pop.name for pop in built.config.pop] == ["b"]
    assert built.kept["pop"] == [1]
    assert built.incomplete == {"pop"}
    assert "address is missing" in built.problems[0].text


def test_one_table_in_the_place_of_an_array_is_explained() -> None:
    """[pop] for [[pop]] is the classical TOML mistake."""
    assert "[[pop]]" in build({"pop": {"name": "a"}}).problems[0].text


def test_infinity_is_no_timeout() -> None:
    """TOML can write inf; a bound that is infinite is none."""
    assert build({"l7": {"idle-timeout-s": float("inf")}}).problems


def test_a_type_is_described_in_words() -> None:
    """The right value is part of the message."""
    assert describe(Port) == "a whole number from 0 to 65535"
    assert describe(tuple[str, ...]) == "a list, each item text in quotes"
    assert describe(Port | None) == "a whole number from 0 to 65535"
