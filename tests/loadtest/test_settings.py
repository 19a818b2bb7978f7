"""What `edge load` tells the phones."""

import pytest

from loadtest.settings import Settings, from_environment, variable


def test_nothing_said_means_the_edge_of_make_up() -> None:
    """A plain `locust -f loadtest/locustfile.py` has to work."""
    settings = from_environment({})

    assert settings == Settings()
    assert settings.base_url() == "https://i.edge.test:8443"
    assert settings.dns_server() == ("127.0.0.1", 5300)
    assert settings.homes()[0].name == "jaipur"


def test_variables_carry_every_kind_of_value() -> None:
    """Text, numbers, and the ports of POPs that share none."""
    settings = from_environment(
        {
            variable("pace"): "2.5",
            variable("attackers"): "3",
            variable("shape"): "spike",
            variable("dns"): "[::1]:53",
            variable("ports"): '{"127.0.1.1": 4711}',
            "EDGE_HTTPS_PORT": "1",
        }
    )

    assert (settings.pace, settings.attackers, settings.shape) == (2.5, 3, "spike")
    assert settings.dns_server() == ("::1", 53)
    assert (settings.port_of("127.0.1.1"), settings.port_of("127.0.2.1")) == (4711, 8443)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", "square"),
        ("pace", "0"),
        ("attackers", "-1"),
        ("cities", "jaipur,atlantis"),
        ("pace", "fast"),
    ],
)
def test_nonsense_is_refused_before_the_first_phone(name: str, value: str) -> None:
    """And not as fifty tracebacks."""
    with pytest.raises(ValueError):
        from_environment({variable(name): value})
