"""Which file of this repository did that piece of work?

A trace tells who and when; whoever studies the edge asks next where the decision
is written.  One table answers: a span's service and the beginning of its name
lead to a module, and to the rule by which that module decides.  A test holds that
every file named here exists and that no stage of L7 is missing.
"""

from dataclasses import dataclass

from edge.common.spans import CLIENT, INTERNAL, Span


@dataclass(frozen=True, slots=True)
class Source:
    """Where it is written, and what is decided there."""

    path: str  # from the root of the repository
    rule: str


NOWHERE = Source("", "")

# (service, beginning of the name) -> source; the longest beginning that fits counts.
_TABLE: dict[tuple[str, str], Source] = {
    ("phone", "phone"): Source("edge/phone/call.py", "one phase after the other, each stamped"),
    ("phone", "dns"): Source("edge/phone/resolve.py", "ask our name server, with the phone's network"),
    ("phone", "tcp"): Source("edge/phone/connection.py", "the first address of the answer"),
    ("phone", "tls"): Source("edge/phone/connection.py", "resume a session if one is remembered"),
    ("phone", "http"): Source("edge/phone/call.py", "write the request, wait for the first byte"),
    ("phone", "body"): Source("edge/phone/call.py", "read to the end of the message"),
    ("edge-dns", ""): Source("edge/dns/steer.py", "the nearest healthy point of presence"),
    ("edge-l4", ""): Source("edge/l4/distributor.py", "admit the source, then pick a worker"),
    ("edge-l7", ""): Source("edge/l7/connection.py", "one connection, one request at a time"),
    ("edge-l7", "tls"): Source("edge/l7/tls.py", "certificate by name, resume by ticket"),
    ("edge-l7", "l7.read"): Source("edge/l7/http1/memo.py", "h11's verdict on the head"),
    ("edge-l7", "l7.queue"): Source("edge/l7/upstream/pool.py", "wait for a free connection"),
    ("edge-l7", "l7.normalise"): Source("edge/l7/stages/normalise.py", "one spelling of each path"),
    ("edge-l7", "l7.route"): Source("edge/l7/stages/route.py", "the longest path that fits"),
    ("edge-l7", "l7.caller"): Source("edge/l7/stages/caller.py", "the name in the certificate"),
    ("edge-l7", "l7.waf"): Source("edge/l7/stages/waf.py", "the rules' score against the threshold"),
    ("edge-l7", "l7.auth"): Source("edge/l7/stages/auth.py", "the session's signature and lifetime"),
    ("edge-l7", "l7.ratelimit"): Source("edge/l7/stages/ratelimit.py", "every limit of the route pays"),
    ("edge-l7", "l7.experiment"): Source("edge/l7/stages/experiment.py", "the account's hash deals"),
    ("edge-l7", "l7.shed"): Source("edge/l7/stages/shed.py", "the least important goes first"),
    ("edge-l7", "l7.cache"): Source("edge/l7/cache/stage.py", "fresh, stale, or not there"),
    ("media", "media.paint"): Source("services/media/picture.py", "the same number, the same picture"),
    ("login", "login.scrypt"): Source("services/login/passwords.py", "slow on purpose"),
    ("dm", "dm.commit"): Source("services/dm/writer.py", "on the disk before 201"),
    ("feed", "feed.compose"): Source("services/feed/compose.py", "posts, stories and ads in one list"),
}
_L7_TRY = Source("edge/l7/upstream/cluster.py", "a healthy endpoint, by the cluster's policy")
_SERVICE_CALL = Source("edge/common/http_client.py", "a kept connection, within the deadline")
_SERVICES = ("ads", "dm", "feed", "login", "media", "ranking", "recommend", "story", "toy", "toynext", "user")


def source_of(span: Span) -> Source:
    """Where `span`'s work is written; `NOWHERE` for an application of somebody else's."""
    if span.kind == CLIENT and span.service == "edge-l7":
        return _L7_TRY
    if span.kind == CLIENT and span.service in _SERVICES:
        return _SERVICE_CALL
    fitting = [
        beginning
        for service, beginning in _TABLE
        if service == span.service and span.name.startswith(beginning)
    ]
    if fitting:
        return _TABLE[span.service, max(fitting, key=len)]
    if span.service in _SERVICES and span.kind != INTERNAL:
        return Source(f"services/{span.service}/service.py", "the service's own answer")
    return NOWHERE


def every_source() -> tuple[Source, ...]:
    """All that `source_of` may answer."""
    own = tuple(Source(f"services/{name}/service.py", "the service's own answer") for name in _SERVICES)
    return (*_TABLE.values(), _L7_TRY, _SERVICE_CALL, *own)
