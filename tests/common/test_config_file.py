"""From the file on disk to values, with every problem in one go."""

from pathlib import Path

import pytest

from edge.common.config_file import load, load_with_origins, parse
from edge.common.errors import ConfigError

DEFAULT = Path(__file__).parents[2] / "edge.toml"


def test_the_configuration_we_ship_has_no_problem() -> None:
    """It is the first file that a new user reads."""
    config = load(DEFAULT, {})

    assert [pop.name for pop in config.pops()] == ["mumbai", "singapore"]
    assert {service.name for service in config.service} >= {cluster.service for cluster in config.cluster}


def test_every_problem_has_its_file_line_and_key_in_the_order_of_the_file() -> None:
    """One run shows all, and an editor jumps to each."""
    pop = '[[pop]]\nname = "a"\naddress = "x"\nplace = { north = 1, east = 2 }\n'
    text = 'domain = "edge"\nhttps-port = 70000\n' + pop

    with pytest.raises(ConfigError) as caught:
        parse(text, "edge.toml", {})

    assert caught.value.problems == [
        'edge.toml:1: domain: "edge" is not a host name such as "i.edge.test"',
        "edge.toml:2: https-port: 70000 is not a whole number from 0 to 65535",
        'edge.toml:5: pop[a].address: "x" is not an IP address such as "127.0.1.1"',
    ]


def test_an_element_that_cannot_be_built_does_not_drag_its_references_in() -> None:
    """A cluster with a bad key is one mistake; the three routes to it are none."""
    text = DEFAULT.read_text().replace(
        'name = "media"\nservice = "media"', 'name = "Me dia"\nservice = "media"'
    )

    with pytest.raises(ConfigError) as caught:
        parse(text, "edge.toml", {})

    assert len(caught.value.problems) == 1


def test_a_mistake_from_the_environment_names_the_variable() -> None:
    """Pointing at a line of the file would send the reader to the wrong place."""
    with pytest.raises(ConfigError) as caught:
        parse(DEFAULT.read_text(), "edge.toml", {"EDGE_HTTPS_PORT": "x", "EDGE__NEW__THING": "1"})

    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "EDGE__NEW__THING",
        "EDGE_HTTPS_PORT",
    ]


def test_the_index_in_a_message_is_the_one_in_the_file() -> None:
    """Elements left out must not shift the others' lines."""
    good = '[[pop]]\nname = "b"\naddress = "8.8.8.8"\nplace = { north = 1, east = 2 }\n'

    with pytest.raises(ConfigError) as caught:
        parse('[[pop]]\nname = "a"\n' + good, "edge.toml", {})

    assert any(problem.startswith("edge.toml:5: pop[b].address") for problem in caught.value.problems)


def test_a_syntax_error_has_its_line() -> None:
    """tomllib's own words, in our form."""
    with pytest.raises(ConfigError) as caught:
        parse("a = 1\nb = = 2\n", "edge.toml", {})

    assert caught.value.problems[0].startswith("edge.toml:2: ")


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    """The commonest first mistake: started in the wrong directory."""
    with pytest.raises(ConfigError, match="EDGE_CONFIG"):
        load(tmp_path / "edge.toml", {})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A certificate in the place of the configuration is a message, not a traceback."""
    (tmp_path / "edge.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "edge.toml", {})


def test_each_value_knows_where_it_came_from() -> None:
    """`edge config show --origin` is built on it."""
    loaded = load_with_origins(DEFAULT, {"EDGE_DNS_TTL_S": "5"})

    assert loaded.config.dns.ttl_s == 5
    assert loaded.origins[("dns", "ttl-s")] == "EDGE_DNS_TTL_S"
    assert loaded.origins[("pop", 1, "name")].startswith("edge.toml:")
    assert ("l4", "credit-max") not in loaded.origins
