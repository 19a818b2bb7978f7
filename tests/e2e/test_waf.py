"""Attacks on a whole edge: through L4 and TLS to the rules, and back to L4 as a ban."""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.kit.edges import Edge, running_edge, wait_for
from tests.kit.phones import Phone

ATTACKS = {
    "sqli": "/api/v1/feed/timeline/?q=" + quote("1' or '1'='1"),
    "xss": "/api/v1/feed/timeline/?q=" + quote("<script>alert(1)</script>"),
    "lfi": "/api/v1/feed/timeline/?file=" + quote("../../../../etc/passwd"),
    "rce": "/api/v1/feed/timeline/?host=" + quote("; cat /etc/passwd"),
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One edge for all of these; each test is another source."""
    with running_edge(tmp_path_factory.mktemp("waf") / "run") as running:
        yield running


def phone(edge: Edge, source: str) -> Phone:
    """A phone at `source`."""
    return Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", source)


def explained(edge: Edge, request_id: str) -> str:
    """What `edge waf explain` says; the worker writes four times a second."""
    return wait_for(lambda: edge.run("waf", "explain", request_id).stdout, 15.0)


@pytest.mark.e2e
@pytest.mark.parametrize("kind", sorted(ATTACKS))
def test_an_attack_is_refused_and_the_rule_has_a_name(edge: Edge, kind: str) -> None:
    """The phone learns a number, the operator learns why."""
    reply = phone(edge, "127.0.66.1").get(ATTACKS[kind])

    assert reply.status == 403
    told = explained(edge, reply.headers["x-request-id"])
    assert "-> block" in told.replace("->  ", "-> ")
    assert "rule 10" in told
    assert b"rule" not in reply.body


@pytest.mark.e2e
def test_an_attack_in_a_body_is_refused(edge: Edge) -> None:
    """Short ones and those that another thread looks at."""
    asks = phone(edge, "127.0.66.2")
    attack = b"note=" + quote("1' or '1'='1").encode()

    short = asks.ask("POST", "/api/v1/accounts/login/", attack, FORM)
    asks.hang_up()
    asks.log_in()
    long = asks.ask(
        "POST", "/api/v1/direct_v2/threads/1/items/", b"text=" + b"hello+" * 2000 + b"&" + attack, FORM
    )

    assert (short.status, long.status) == (403, 403)
    assert "rule 10" in explained(edge, long.headers["x-request-id"])


@pytest.mark.e2e
def test_an_attack_on_a_path_that_nobody_serves_is_one_as_well(edge: Edge) -> None:
    """Scanners knock at such doors only; an honest typo still is a 404."""
    asks = phone(edge, "127.0.66.5")

    reply = asks.get("/.env")

    assert reply.status == 403
    assert "A hidden file" in explained(edge, reply.headers["x-request-id"])
    assert asks.get("/?q=" + quote("<script>alert(1)</script>")).status == 403
    assert asks.get("/about").status == 404


@pytest.mark.e2e
def test_a_body_that_cannot_be_read_is_refused(edge: Edge) -> None:
    """What two readers could read in two ways is 400."""
    reply = phone(edge, "127.0.66.3").ask(
        "POST", "/api/v1/accounts/login/", b'{"username": "a", ', {"Content-Type": "application/json"}
    )

    assert reply.status == 400


@pytest.mark.e2e
def test_an_ordinary_phone_passes(edge: Edge) -> None:
    """All of this is for them."""
    asks = phone(edge, "127.0.66.4")

    asks.log_in()

    assert asks.get("/api/v1/feed/timeline/?q=it%27s+sunset").status == 200


@pytest.mark.e2e
def test_who_goes_on_attacking_is_refused_at_l4(edge: Edge) -> None:
    """Within a second of the last attack, and for nobody else."""
    attacker = phone(edge, "127.0.66.6")
    for _ in range(edge.config.waf.ban_after + 1):
        attacker.get(ATTACKS["sqli"])
    last_attack = time.monotonic()

    def is_refused() -> bool:
        attacker.hang_up()
        try:
            attacker.get("/")
        except (OSError, http.client.HTTPException):
            return True
        return False

    wait_for(is_refused, 10.0)
    took_s = time.monotonic() - last_attack

    assert took_s < 1.0
    assert phone(edge, "127.0.66.7").get("/api/v1/feed/timeline/").status in (200, 401)


@pytest.mark.e2e
def test_a_ban_ends_the_connections_that_the_attacker_keeps(edge: Edge) -> None:
    """L4 sees who calls; who never hangs up would not have to call again.  The list names him, and lifting
    lets him in."""
    attacker = phone(edge, "127.0.66.8")
    bystander = phone(edge, "127.0.66.9")
    bystander.get("/api/v1/feed/timeline/")

    def is_cut() -> bool:
        try:
            return attacker.get(ATTACKS["sqli"]).status != 403
        except (OSError, http.client.HTTPException):
            return True

    wait_for(is_cut, 10.0)

    assert "127.0.66.8 " in wait_for(lambda: edge.run("ban").stdout, 5.0)
    with pytest.raises((OSError, http.client.HTTPException)):
        attacker.get("/api/v1/feed/timeline/")
    assert bystander.get("/api/v1/feed/timeline/").status in (200, 401), "his connection goes on"
    assert edge.run("unban", "127.0.66.8").returncode == 0
    assert wait_for(lambda: _status(attacker), 5.0) in (200, 401)


def _status(asks: Phone) -> int:
    try:
        return asks.get("/api/v1/feed/timeline/").status
    except (OSError, http.client.HTTPException):
        return 0
