"""EDGE_* variables over the file's values."""

from edge.common.config_environ import overlay


def test_a_short_name_reaches_a_value_in_a_section() -> None:
    """The spelling that people guess works."""
    result = overlay(
        {}, {"EDGE_HTTPS_PORT": "9443", "EDGE_L7_IDLE_TIMEOUT_S": "5", "EDGE_WAF_MODE": "detect"}
    )

    assert result.values == {"https-port": 9443, "l7": {"idle-timeout-s": 5}, "waf": {"mode": "detect"}}
    assert result.origins[("l7", "idle-timeout-s")] == "EDGE_L7_IDLE_TIMEOUT_S"


def test_a_long_name_reaches_an_element_by_its_name() -> None:
    """Indices change when a POP is added; names do not.  The caller's values stay as they were."""
    values = {"pop": [{"name": "mumbai", "l7": 2}, {"name": "singapore", "l7": 1}]}

    result = overlay(values, {"EDGE__POP__SINGAPORE__L7": "4"})

    assert result.values["pop"][1]["l7"] == 4
    assert values["pop"][1]["l7"] == 1
    assert result.origins == {("pop", 1, "l7"): "EDGE__POP__SINGAPORE__L7"}


def test_a_near_miss_is_reported_and_a_strangers_variable_is_not() -> None:
    """A typing mistake must not be ignored; another program's EDGE_ variable must be."""
    result = overlay({}, {"EDGE_HTTPS_PROT": "1", "EDGE_CONFIG": "x", "EDGE_OTHERS_THING": "y"})

    assert len(result.problems) == 1
    assert "EDGE_HTTPS_PORT" in result.problems[0]


def test_a_long_name_that_leads_nowhere_is_reported() -> None:
    """EDGE__ is ours alone, so it always means something."""
    values = {"pop": [{"name": "mumbai"}], "domain": "x"}
    environ = {"EDGE__POP__OSLO__L7": "1", "EDGE__DOMAIN__X": "1", "EDGE__POP__MUMBAI": "1"}

    assert len(overlay(values, environ).problems) == 3


def test_what_is_not_toml_is_text() -> None:
    """A shell needs no nested quotes for an address."""
    environ = {"EDGE_DNS_LISTEN": "127.0.0.1:0", "EDGE_L4_ADMISSION_ALLOW": '["10.0.0.0/8"]'}

    values = overlay({}, environ).values

    assert values == {"dns": {"listen": "127.0.0.1:0"}, "l4": {"admission": {"allow": ["10.0.0.0/8"]}}}


def test_a_value_with_a_line_break_cannot_bring_in_a_second_key() -> None:
    """`1\\nother = 2` is odd text, not two settings."""
    assert overlay({}, {"EDGE_DOMAIN": "1\nother = 2"}).values == {"domain": "1\nother = 2"}
