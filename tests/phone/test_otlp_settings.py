"""OpenTelemetry's variables, and when a batch may be sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.errors import ConfigError
from edge.phone.otlp_settings import (
    ATTEMPTS_MAX,
    BACKOFF_MAX_S,
    RETRYABLE,
    Settings,
    settings_from,
    wait_before_retry,
)
from tests.phone.strategies import UNTIMED

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def made(**environment: str) -> Settings:
    settings = settings_from({ENDPOINT: "http://localhost:4318", **environment})
    assert settings is not None
    return settings


def test_without_an_endpoint_nothing_is_sent_anywhere() -> None:
    """No phoning home by default."""
    assert settings_from({}) is None
    assert settings_from({ENDPOINT: " "}) is None
    assert settings_from({ENDPOINT: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}) is None


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://localhost:4318", "/v1/traces"),
        ("http://localhost:4318/", "/v1/traces"),
        ("http://localhost:4318/tenant/7", "/tenant/7/v1/traces"),
    ],
)
def test_the_general_endpoint_is_a_beginning(endpoint: str, path: str) -> None:
    """Specification, "Endpoint URLs for OTLP/HTTP"."""
    settings = settings_from({ENDPOINT: endpoint})

    assert settings is not None
    assert (settings.host, settings.port, settings.path) == ("localhost", 4318, path)


def test_the_endpoint_for_traces_is_taken_as_it_is() -> None:
    """The same chapter; it also wins."""
    settings = made(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://collector.test/in?key=7")

    assert (settings.scheme, settings.port, settings.path) == ("https", 443, "/in?key=7")


def test_headers_resource_timeout_and_compression_are_honoured() -> None:
    """Each by the name that everybody else uses."""
    settings = made(
        OTEL_EXPORTER_OTLP_HEADERS="Api-Key=s%3Dcret, x-team = edge",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=lab,service.namespace=x",
        OTEL_SERVICE_NAME="my-edge",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )

    assert settings.headers == (("api-key", "s=cret"), ("x-team", "edge"))
    assert settings.resource == (("deployment.environment.name", "lab"), ("service.namespace", "my-edge"))
    assert (settings.timeout_s, settings.gzip) == (2.5, True)


@pytest.mark.parametrize(
    ("sampler", "arg", "share"),
    [("always_on", "", 1.0), ("always_off", "", 0.0), ("parentbased_traceidratio", "0.25", 0.25)],
)
def test_samplers_choose_a_share(sampler: str, arg: str, share: float) -> None:
    """The names of the specification."""
    assert made(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=arg).share == share


def test_every_process_takes_the_same_decision_for_a_trace() -> None:
    """By the id's last eight bytes, as OpenTelemetry's own samplers do."""
    half = made(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")

    assert half.wants("f" * 16 + "7" + "f" * 15)
    assert not half.wants("0" * 16 + "8" + "0" * 15)


def test_all_mistakes_are_told_at_once() -> None:
    """One round of mending, not five."""
    with pytest.raises(ConfigError) as told:
        settings_from(
            {
                ENDPOINT: "localhost:4318",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
                "OTEL_EXPORTER_OTLP_HEADERS": "novalue",
                "OTEL_TRACES_SAMPLER": "dice",
            }
        )

    assert len(told.value.problems) == 5


def test_a_header_cannot_smuggle_another() -> None:
    """Percent-decoding makes line ends possible."""
    with pytest.raises(ConfigError):
        made(OTEL_EXPORTER_OTLP_HEADERS="a=b%0d%0ahost: evil")


@pytest.mark.parametrize("status", [200, 400, 401, 404, 413, 500, 501])
def test_what_will_not_get_better_is_not_sent_again(status: int) -> None:
    """OTLP/HTTP names four statuses; 500 is none of them."""
    assert wait_before_retry(1, status, "", 0.5) is None


def test_the_collector_says_when() -> None:
    """Retry-After wins over our own wait, within reason."""
    assert wait_before_retry(1, 429, "2", 0.5) == 2.0
    assert wait_before_retry(1, 503, "86400", 0.5) == BACKOFF_MAX_S


@UNTIMED
@given(st.integers(1, 10), st.sampled_from([0, *RETRYABLE]), st.floats(0, 1))
def test_waiting_is_bounded_and_ends(attempt: int, status: int, dice: float) -> None:
    """A collector that is away costs a few seconds, not the day."""
    pause_s = wait_before_retry(attempt, status, "", dice)

    assert (pause_s is None) == (attempt >= ATTEMPTS_MAX)
    assert pause_s is None or 0 <= pause_s <= BACKOFF_MAX_S
