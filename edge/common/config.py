"""What may be configured, and what holds where nothing was said?

`edge.toml` is parsed once, by `edge.common.config_file`, into these frozen
values; the processes receive them ready-made and never look at the file.  Units
stand last in each name.  A default names its precedent.  `0` as a port means
"any free port" and is what tests use.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$")]

Balance = Literal[
    "round-robin", "weighted", "least-connections", "two-choices", "peak-ewma", "hash", "bounded-hash"
]
WafMode = Literal["off", "detect", "block"]
AuthPolicy = Literal["public", "optional", "required"]


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The parent of all configuration values: frozen; keys in the file are kebab-case."""


class ControlConfig(Value, frozen=True, kw_only=True):
    """The hub and the links every process keeps to it."""

    beat_s: Positive = 1.0  # VRRP's and keepalived's advertisement interval
    beats_missed_max: Count = 3  # VRRP: dead after three missed beats and a little skew
    frame_bytes_max: int = 4 * 1024 * 1024  # a revision with 10,000 routes fits
    outbox_frames_max: Count = 1024  # a reader slower than this is cut, never buffered without bound
    ask_timeout_s: Positive = 1.0
    listen: str = ""  # "host:port" opens mutual TLS to other hosts; empty: the Unix socket only
    connect: str = ""  # the hub's "host:port" as seen from another host; empty: the Unix socket


class DnsConfig(Value, frozen=True, kw_only=True):
    """The authoritative name server."""

    listen: str = "127.0.0.1:5300"  # not 5353, which belongs to mDNS
    workers: Count = 2  # more than one stand behind an L4 of their own
    ttl_s: Count = 20  # how long a phone may keep calling a dead POP; AWS fails over with 60
    queries_per_s_max: Positive = 20_000.0
    tcp_idle_timeout_s: Positive = 10.0  # RFC 7766 section 6.2.3 asks for "a few seconds"
    cities: dict[str, str] = {}  # city -> documentation prefix added to the built-in table


class Place(Value, frozen=True, kw_only=True):
    """Degrees north and east."""

    north: Annotated[float, Meta(ge=-90, le=90)]
    east: Annotated[float, Meta(ge=-180, le=180)]


class PopConfig(Value, frozen=True, kw_only=True):
    """One point of presence: an address, a place, and how many processes stand there."""

    name: Name
    address: str
    place: Place
    enabled: bool = True
    l4: Count = 2  # the first is active, the others stand by
    l7: Count = 2
    https_port: Port | None = None  # None: the edge-wide one
    http_port: Port | None = None


class AdmissionConfig(Value, frozen=True, kw_only=True):
    """May this source open one more connection?"""

    source_rate_per_s: Positive = 50.0
    source_burst: Count = 100
    source_connections_max: Count = 1000
    rate_per_s: Positive = 5000.0  # of one POP; two Python cores accept about five times that
    burst: Count = 5000
    sources_max: int = 100_000  # HAProxy stick-tables are usually sized 100k; about 200 bytes each here
    flood_rate_per_s: Positive = 3000.0  # above it new sources are not written down (Katran)
    ipv4_prefix: Annotated[int, Meta(ge=8, le=32)] = 32
    ipv6_prefix: Annotated[int, Meta(ge=16, le=128)] = 64
    allow: tuple[str, ...] = ()  # networks that are never limited
    reject: Literal["reset", "drop"] = "reset"


class L4Config(Value, frozen=True, kw_only=True):
    """The distributor."""

    # "relay" copies the bytes instead: for workers on other hosts, and for faults on that hop.
    engine: Literal["handoff", "relay"] = "handoff"
    # Networks whose connections begin with a PROXY header (v1 or v2): load balancers in front of us.
    proxy_from: tuple[str, ...] = ()
    balance: Balance = "weighted"
    mode: Literal["active-standby", "active-active"] = "active-standby"
    backlog: Count = 1024  # Proxygen's accept backlog
    credit_max: Count = 1024  # sockets a worker may hold unacknowledged before it gets no more
    beat_s: Positive = 0.05  # the pair's heartbeat; a frozen primary is replaced after three
    drain_s: Positive = 4.0  # honcho kills five seconds after the first exit
    # A worker is ready when it says so (it forks warm), so there is nothing to start slowly for; workers
    # with caches of their own to fill may want 10 to 30 s (HAProxy's `slowstart`).
    slow_start_s: Annotated[float, Meta(ge=0)] = 0.0
    # "nft" meters SYNs per source in the kernel too, at the source's rate; needs root and nftables.
    syn_guard: Literal["off", "nft"] = "off"
    admission: AdmissionConfig = AdmissionConfig()


class CacheConfig(Value, frozen=True, kw_only=True):
    """What one worker remembers for the routes that say `cache = true`."""

    bytes_max: int = 64 * 1024 * 1024  # per worker; four of them and the rest stay under 600 MB
    object_bytes_max: int = 4 * 1024 * 1024  # a larger body would push out hundreds of small ones
    variants_max: Count = 16  # of one URL, by Vary
    wait_s: Positive = 3.0  # how long one request waits for another that fetches the same
    stale_if_error_s: float = 60.0  # where the response does not say (RFC 9111 section 4.2.4)
    heuristic_share: Share = 0.1  # of the age of Last-Modified (RFC 9111 section 4.2.2)
    heuristic_s_max: float = 86_400.0


class ShedConfig(Value, frozen=True, kw_only=True):
    """When is there too much to do for one worker, so that the least important is refused?"""

    requests_max: Count = 512  # under way at the services at once; a Python worker does 2,000 a second
    requests_min: Count = 64  # however late the event loop is, so many always pass
    lag_ms_target: Positive = 200.0  # a loop that is later than this for `lag_s` is overloaded
    lag_s: Positive = 1.0  # a burst of handshakes is over in less (CoDel: a standing queue counts)
    backoff: Share = 0.8  # by which the limit falls each quarter of a second from then on (AIMD)


class L7Config(Value, frozen=True, kw_only=True):
    """The worker: sizes and times of HTTP."""

    head_bytes_max: int = 16 * 1024  # HAProxy's tune.bufsize
    header_count_max: Count = 100  # Envoy's
    target_bytes_max: int = 8 * 1024  # nginx's large_client_header_buffers
    body_bytes_max: int = 1024 * 1024  # nginx's client_max_body_size
    head_timeout_s: Positive = 10.0  # slowloris
    body_timeout_s: Positive = 60.0  # between two reads, nginx
    body_rate_min_bytes_per_s: float = 500.0  # Apache mod_reqtimeout MinRate=500
    idle_timeout_s: Positive = 75.0  # nginx keepalive_timeout
    tls_handshake_timeout_s: Positive = 10.0
    connections_max: Count = 10_000
    drain_s: Positive = 4.0
    memo_entries_max: int = 4096
    memo_bytes_max: int = 8 * 1024 * 1024
    cache: CacheConfig = CacheConfig()
    shed: ShedConfig = ShedConfig()
    # Where workers take relayed connections, each at a port of its own, when [l4] engine is "relay"; and
    # from whom: the L4s, for whoever may send a PROXY header may claim to be any phone.
    relay_listen: str = "127.0.0.1"
    relay_from: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    trace_ring: int = 8192  # requests a worker remembers for `edge trace --id`
    slow_request_s: Positive = 0.5


class AuthConfig(Value, frozen=True, kw_only=True):
    """Who is this request for?  The cookie is a JWT signed with EdDSA by `login`."""

    cookie: str = "edge_session"
    issuer: str = "edge-login"
    audience: str = "edge"
    ttl_s: Count = 86_400
    remembered_max: int = 50_000


class WafConfig(Value, frozen=True, kw_only=True):
    """Which rules, and how sure must they be?"""

    mode: WafMode = "block"
    rules: tuple[str, ...] = ()  # files or directories beside the embedded rules
    embedded: bool = True
    paranoia: Annotated[int, Meta(ge=1, le=4)] = 1
    detection_paranoia: Annotated[int, Meta(ge=1, le=4)] = 1
    threshold: Count = 5  # the Core Rule Set's
    sample: Share = 1.0  # the part of the requests that is inspected, to begin with new rules on a busy site
    body_bytes_max: int = 128 * 1024
    # What the inspection of one request may cost: so much, and so much more for each kilobyte of its body.
    budget_ms: Positive = 13.0
    budget_ms_per_kb: Positive = 1.0
    on_budget: Literal["block", "log"] = "block"
    answers: bool = False  # also look into what services answer (phases 3 and 4)
    answer_bytes_max: int = 64 * 1024  # of an answer so much is held and looked at; the rest passes
    ban_after: Count = 10  # blocked requests of one source within a minute before L4 refuses it
    ban_s: Positive = 60.0


class LimitConfig(Value, frozen=True, kw_only=True):
    """A rate, as GCRA keeps it."""

    name: Name
    key: Literal["source", "account", "route"]
    rate_per_s: Positive
    burst: Count
    scope: Literal["pop", "worker"] = "pop"  # one limit for all workers of a POP, or for each of them
    keys_max: int = 100_000  # as HAProxy stick-tables are usually sized; about 150 bytes each
    ban_after: Count = 0  # refusals of one source within a minute before L4 refuses it; 0: never
    ban_s: Positive = 60.0


class HealthConfig(Value, frozen=True, kw_only=True):
    """How do we know that an endpoint is well?"""

    path: str = "/healthz"
    interval_s: Positive = 2.0  # HAProxy inter, GLB
    fast_interval_s: Positive = 0.5
    timeout_s: Positive = 1.0
    rise: Count = 2  # HAProxy
    fall: Count = 3  # HAProxy
    jitter: Share = 0.05  # HAProxy spread-checks advice
    expect_status: tuple[int, ...] = (200, 204)
    expect_header: dict[str, str] = {}  # name -> text that its value has to contain
    expect_body: str = ""  # text that the first 64 KiB of the body have to contain
    latency_ms_max: float = 0.0  # an answer slower than this is a failed check; 0: only the timeout
    eject_after: Count = 5  # Envoy consecutive_5xx
    eject_s: Positive = 30.0
    eject_max_s: Positive = 300.0
    eject_share_max: Share = 0.5
    panic_below: Share = 0.5  # Envoy's healthy panic threshold
    slow_start_s: float = 0.0


class RetryConfig(Value, frozen=True, kw_only=True):
    """When may a request be sent again?"""

    attempts: Count = 1  # Envoy num_retries
    budget: Share = 0.2  # of active requests, Envoy retry_budget
    concurrent_min: Count = 3
    backoff_ms: Positive = 25.0
    backoff_ms_max: Positive = 250.0


class BreakerConfig(Value, frozen=True, kw_only=True):
    """When is a whole cluster left alone for a moment?"""

    failure_share: Share = 0.9  # of the requests of one second; 0: never
    requests_min: Count = 20  # Hystrix requestVolumeThreshold
    open_s: Positive = 1.0  # a supervisor restarts a service in well under that
    open_max_s: Positive = 10.0  # Traefik's fallbackDuration


class HedgeConfig(Value, frozen=True, kw_only=True):
    """When does a request that is slow to be answered also go to a second copy?  Off by default."""

    after_ms: Annotated[float, Meta(ge=0)] = 0.0  # not before this; with no quantile, exactly then
    quantile: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # of the latest first bytes; 0.95 adds 5 % of load


class ClusterConfig(Value, frozen=True, kw_only=True):
    """Copies of one service and the way to them."""

    name: Name
    service: str = ""  # endpoints are the live processes of this service ...
    endpoints: tuple[str, ...] = ()  # ... or these "host:port", an application of your own
    balance: Balance = "two-choices"
    connections_max: Count = 1024  # Envoy's breaker
    pending_max: Count = 1024
    requests_max: Count = 1024
    connect_timeout_s: Positive = 3.0  # Caddy
    try_timeout_s: Positive = 5.0
    timeout_s: Positive = 15.0  # Envoy's route timeout
    idle_timeout_s: Positive = 4.0  # shorter than the service's own, or the keep-alive race bites
    hash_on: str = "source"  # for "hash" and "bounded-hash": source account path cookie:NAME header:NAME
    affinity: Literal["none", "cookie"] = "none"  # a signed cookie keeps a phone at its endpoint
    health: HealthConfig = HealthConfig()
    retry: RetryConfig = RetryConfig()
    breaker: BreakerConfig = BreakerConfig()
    hedge: HedgeConfig = HedgeConfig()


class MirrorConfig(Value, frozen=True, kw_only=True):
    """Who else gets a copy of the requests of a route, without anybody waiting for an answer?"""

    cluster: str = ""  # empty: nobody
    share: Share = 1.0  # of the requests


class RouteConfig(Value, frozen=True, kw_only=True):
    """One line of the routing table; the longest matching path wins unless `priority` says otherwise."""

    cluster: str = ""
    name: str = ""  # for logs and metrics; the path if empty
    path: str = ""  # exact; with a trailing "*" a prefix
    regex: str = ""
    host: str = ""
    method: tuple[str, ...] = ()
    header: dict[str, str] = {}
    cookie: dict[str, str] = {}
    query: dict[str, str] = {}
    priority: int = 0
    auth: AuthPolicy = "public"
    callers: tuple[str, ...] = ()  # whose certificate is needed: "reports", "batch-*", "*"; (): none
    waf: WafMode | None = None  # None: the edge-wide mode
    waf_threshold: Count | None = None  # None: the edge-wide one
    waf_answers: bool | None = None  # also look into what services answer; None: as edge-wide
    waf_sample: Share | None = None  # the part of the requests that is inspected; None: the edge-wide one
    limits: tuple[str, ...] | None = None  # None: every limit; (): none
    cache: bool = False
    cache_cookies: bool = False  # also what has Set-Cookie, or was asked for with a Cookie
    shed_priority: Annotated[int, Meta(ge=0, le=9)] = 5  # 0 is shed first
    body_bytes_max: int | None = None
    rewrite_prefix: str | None = None
    set_request_headers: dict[str, str] = {}
    set_response_headers: dict[str, str] = {}
    remove_response_headers: tuple[str, ...] = ()
    redirect: str = ""
    respond_status: int = 0
    respond_body: str = ""
    split: dict[str, float] = {}  # cluster -> weight: a canary
    mirror: MirrorConfig = MirrorConfig()
    timeout_s: float | None = None


class ExperimentConfig(Value, frozen=True, kw_only=True):
    """An A/B test: who sees which variant?"""

    name: Name
    salt: str = ""
    key: Literal["account", "device"] = "account"
    variants: dict[str, float]  # name -> weight
    enabled: bool = True


class ServiceConfig(Value, frozen=True, kw_only=True):
    """How many copies of a service, and where."""

    name: Name
    instances: Count = 1
    port: Port = 0  # the first instance's; the next ones follow.  0: any
    options: dict[str, float] = {}


class ServicesConfig(Value, frozen=True, kw_only=True):
    """What the mock services share."""

    seed: int = 2026
    accounts: int = 10_000
    feed_deadline_ms: Positive = 250.0


class Config(Value, frozen=True, kw_only=True):
    """The whole configuration of one edge."""

    domain: str = "i.edge.test"  # RFC 6761 keeps .test for us
    https_port: Port = 8443
    http_port: Port = 8000
    console: str = "127.0.0.1:9000"
    access_log: Literal["file", "stdout", "off"] = "file"
    log: Literal["text", "json"] = "text"  # events on stdout: for people, or for a collector
    control: ControlConfig = ControlConfig()
    dns: DnsConfig = DnsConfig()
    pop: tuple[PopConfig, ...] = ()
    l4: L4Config = L4Config()
    l7: L7Config = L7Config()
    auth: AuthConfig = AuthConfig()
    waf: WafConfig = WafConfig()
    limit: tuple[LimitConfig, ...] = ()
    experiment: tuple[ExperimentConfig, ...] = ()
    cluster: tuple[ClusterConfig, ...] = ()
    route: tuple[RouteConfig, ...] = ()
    services: ServicesConfig = ServicesConfig()
    service: tuple[ServiceConfig, ...] = ()

    def pops(self) -> tuple[PopConfig, ...]:
        """The POPs that are switched on."""
        return tuple(pop for pop in self.pop if pop.enabled)

    def https_port_of(self, pop: PopConfig) -> int:
        """The port on which `pop` speaks TLS."""
        return self.https_port if pop.https_port is None else pop.https_port

    def http_port_of(self, pop: PopConfig) -> int:
        """The port on which `pop` redirects to TLS."""
        return self.http_port if pop.http_port is None else pop.http_port
