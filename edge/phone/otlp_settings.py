"""Where shall traces be sent, and which of them?

OpenTelemetry's own variables (specification, "Environment Variable Specification"
and "OTLP Exporter Configuration"), so that whoever has a collector need learn nothing
new.  Two differences, both because one exporter speaks for twenty processes: every
span keeps its own `service.name`, and OTEL_SERVICE_NAME names the namespace that they
share; the protocol is JSON unless http/protobuf is asked for, and gRPC is not offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edge.common.errors import ConfigError

TRACES_PATH = "/v1/traces"
PROTOCOLS = ("http/json", "http/protobuf")
# The specification's default.
TIMEOUT_MS = 10_000
_PREFIX = "OTEL_EXPORTER_OTLP_"
_HEADERS_MAX = 32
_SAMPLERS = {
    "always_on": None,
    "parentbased_always_on": None,
    "always_off": 0.0,
    "parentbased_always_off": 0.0,
}
_RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio")
_ID_SPACE = 2**64


@dataclass(frozen=True, slots=True)
class Settings:
    """A collector, and how it wants to be spoken to."""

    scheme: str  # "http" or "https"
    host: str
    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    resource: tuple[tuple[str, str], ...]  # further attributes of every process
    timeout_s: float
    protobuf: bool  # else JSON
    gzip: bool
    share: float  # of the traces

    def wants(self, trace_id: str) -> bool:
        """Is this trace in the sample?  The rule of OpenTelemetry's TraceIdRatioBased."""
        return int(trace_id[16:], 16) < self.share * _ID_SPACE


def settings_from(environment: Mapping[str, str]) -> Settings | None:
    """The collector that `environment` names, None where it names none.

    Raises `ConfigError` with every mistake at once.
    """
    problems: list[str] = []
    base = _told(environment, "ENDPOINT")
    whole = environment.get(f"{_PREFIX}TRACES_ENDPOINT", "").strip()
    if not (whole or base) or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    # The general endpoint is a beginning; the one for traces is used as it is.
    url = whole or base.rstrip("/") + TRACES_PATH
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append(f'{_PREFIX}ENDPOINT: "{whole or base}" is no http(s) URL')
    protocol = _told(environment, "PROTOCOL") or "http/json"
    if protocol not in PROTOCOLS:
        problems.append(f'{_PREFIX}PROTOCOL: "{protocol}" is not spoken here; {" and ".join(PROTOCOLS)} are')
    compression = _told(environment, "COMPRESSION") or "none"
    if compression not in ("none", "gzip"):
        problems.append(f'{_PREFIX}COMPRESSION: "{compression}" is neither "gzip" nor "none"')
    timeout = _told(environment, "TIMEOUT") or str(TIMEOUT_MS)
    if not timeout.isdigit() or int(timeout) == 0:
        problems.append(f'{_PREFIX}TIMEOUT: "{timeout}" is no number of milliseconds')
    headers = _pairs(_told(environment, "HEADERS"), f"{_PREFIX}HEADERS", problems)
    resource = _pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES", problems)
    namespace = environment.get("OTEL_SERVICE_NAME", "").strip()
    if namespace:
        resource = [*(pair for pair in resource if pair[0] != "service.namespace")]
        resource.append(("service.namespace", namespace))
    share = _share(environment, problems)
    if problems:
        raise ConfigError(problems)
    return Settings(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port or (443 if parts.scheme == "https" else 80),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=tuple((name.lower(), value) for name, value in headers[:_HEADERS_MAX]),
        resource=tuple(resource),
        timeout_s=int(timeout) / 1000,
        protobuf=protocol == "http/protobuf",
        gzip=compression == "gzip",
        share=share,
    )


def _told(environment: Mapping[str, str], word: str) -> str:
    """The variable for traces, else the general one; an empty one counts as absent."""
    special = "" if word == "ENDPOINT" else environment.get(f"{_PREFIX}TRACES_{word}", "").strip()
    return special or environment.get(f"{_PREFIX}{word}", "").strip()


def _pairs(text: str, name: str, problems: list[str]) -> list[tuple[str, str]]:
    """`key=value,key=value`, percent-encoded (W3C Baggage without properties)."""
    found: list[tuple[str, str]] = []
    for member in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = member.partition("=")
        key, value = unquote(key.strip()), unquote(value.strip())
        if not equals or not key or any(ord(letter) < 32 for letter in key + value):
            problems.append(f'{name}: "{member}" is not key=value')
        else:
            found.append((key, value))
    return found


def _share(environment: Mapping[str, str], problems: list[str]) -> float:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip() or "parentbased_always_on"
    if sampler in _SAMPLERS:
        fixed = _SAMPLERS[sampler]
        return 1.0 if fixed is None else fixed
    if sampler not in _RATIO_SAMPLERS:
        problems.append(f'OTEL_TRACES_SAMPLER: "{sampler}" is not known')
        return 1.0
    told = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
    try:
        share = float(told)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        problems.append(f'OTEL_TRACES_SAMPLER_ARG: "{told}" is no share from 0 to 1')
        return 1.0
    return share


# OTLP/HTTP, "Retryable Response Codes": these and no others; a partial success is never sent again.
RETRYABLE = frozenset({429, 502, 503, 504})
ATTEMPTS_MAX = 4
BACKOFF_S = 0.5
BACKOFF_MAX_S = 8.0


def wait_before_retry(attempt: int, status: int, retry_after: str, dice: float) -> float | None:
    """Seconds until attempt `attempt` + 1 (the first is 1), None: give up.

    `status` 0 means that nothing was answered.  `dice` from 0 to 1 spreads the
    exporters that failed together (full jitter, AWS Architecture Blog 2015).
    """
    if attempt >= ATTEMPTS_MAX or (status and status not in RETRYABLE):
        return None
    if retry_after.strip().isdigit():
        return min(BACKOFF_MAX_S, float(retry_after))
    return min(BACKOFF_MAX_S, BACKOFF_S * float(1 << (attempt - 1))) * dice
