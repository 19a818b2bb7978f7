"""Which decisions can be made again from the log."""

import pytest

from edge.l7.waf.audit import audit_record
from edge.l7.waf.replayed import can_be_replayed, head_of, refuses
from edge.l7.waf.request import WafRequest
from tests.l7.waf.samples import embedded_inspector, get

HOST = (b"host", b"i.edge.test")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def record_of(request: WafRequest, body: bytes = b"") -> dict[str, object]:
    verdict = embedded_inspector().inspect_body(request, body, 0.0)
    assert verdict.matches
    return audit_record(verdict, request, request_id="r1")


@pytest.mark.parametrize(
    "target", [b"/?q=%3Cscript%3E", b"/?%71=<script>", b"/?__proto__[a]=1", b"/../../etc/passwd"]
)
def test_what_stood_in_the_target_is_decided_again(target: bytes) -> None:
    """And in the same way by the same rules."""
    record = record_of(get(target))

    assert can_be_replayed(record)
    assert refuses(embedded_inspector().inspect_head(head_of(record), 0.0), record)


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (WafRequest("203.0.113.9", "POST", b"/?p=1", "HTTP/1.1", (HOST, FORM)), b"q=<script>"),
        (WafRequest("203.0.113.9", "GET", b"/?p=1", "HTTP/1.1", (HOST, (b"cookie", b"a=<script>"))), b""),
        (get(b"/?password=%3Cscript%3E"), b""),  # its value is not in the log
    ],
)
def test_what_the_log_does_not_keep_is_not_replayed(request_: WafRequest, body: bytes) -> None:
    """Without its body an attack looks like a false alarm that new rules mend."""
    assert not can_be_replayed(record_of(request_, body))


def test_the_threshold_of_the_route_counts() -> None:
    """What a route with a high threshold let pass is no news under the same rules."""
    record = record_of(get(b"/?q=%3Cscript%3E")) | {"threshold": 100, "action": "pass"}

    assert not refuses(embedded_inspector().inspect_head(head_of(record), 0.0), record)
