"""Mutual TLS by route, over real handshakes: who is asked, who passes, who is refused and how."""

import json
import socket
import ssl
from pathlib import Path
from shutil import copy

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config, RouteConfig
from edge.common.spans import SERVER, from_wire
from edge.l7.client_certificate import name_of
from edge.l7.tls import TlsError
from edge.supervise.certificates import Pair, make_authority, make_leaf
from edge.supervise.keys import issue_caller
from tests.kit.l7_edge import Edge, Script, running

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
GOOD = {"subject": ((("commonName", "reports"),),), "notAfter": "Nov 28 12:00:00 2026 GMT"}
NOON_UNIX = 1_795_867_200.0


def _with_callers(config: Config) -> Config:
    internal = RouteConfig(
        path="/internal/*", cluster="toy", name="internal", callers=("reports",), limits=()
    )
    return replace(config, route=(internal, *config.route), access_log="file")


def _context(edge: Edge, pair: Pair | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(edge.ca))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def _call(
    edge: Edge, context: ssl.SSLContext, path: str, session: ssl.SSLSession | None = None
) -> tuple[int, bool, ssl.SSLSession | None]:
    """Status, resumed, and the session: what Trio's streams do not show."""
    raw = socket.create_connection(("127.0.0.1", edge.ports["https"]))
    with context.wrap_socket(raw, server_hostname="i.edge.test", session=session) as tls:
        tls.sendall(f"GET {path} HTTP/1.1\r\nHost: i.edge.test\r\n\r\n".encode())
        status = int(tls.recv(4096).split()[1])
        return status, bool(tls.session_reused), tls.session


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_route_may_want_a_certificate(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """With it 200, with another name's 403, with none 403 there and 200 everywhere else."""
    service = Script()
    async with running(tmp_path, service, _with_callers) as edge:
        reports = issue_caller(tmp_path, "reports", tmp_path, 1)
        other = issue_caller(tmp_path, "other", tmp_path, 1)
        statuses = {}
        for name, pair in (("reports", reports), ("other", other), ("none", None)):
            phone = await edge.phone(context=_context(edge, pair, version))
            statuses[name] = [(await phone.get(path)).status for path in ("/internal/x", "/feed")]

    assert statuses == {"reports": [200, 200], "other": [403, 200], "none": [403, 200]}
    told = [b"edge-caller: reports\r\n" in head + b"\r\n" for head in service.heads]
    assert told == [True, False, False, False]


async def test_the_name_is_logged_and_traced(tmp_path: Path) -> None:
    """Or nobody could say afterwards which of our own programs it was."""
    async with running(tmp_path, Script(), _with_callers) as edge:
        phone = await edge.phone(context=_context(edge, issue_caller(tmp_path, "reports", tmp_path, 1)))
        reply = await phone.get("/internal/x")
        spans = from_wire(edge.process.link.asks["trace"]({"trace_id": reply["x-request-id"]}))
        nobody = await (await edge.phone()).get("/internal/x")
        refused = from_wire(edge.process.link.asks["trace"]({"trace_id": nobody["x-request-id"]}))
    lines = [
        json.loads(line) for line in (tmp_path / "logs" / "access-l7-test-1.jsonl").read_text().splitlines()
    ]

    server = next(span for span in spans if span.kind == SERVER)
    handshake = next(span for span in spans if span.name == "tls handshake")
    stage = next(span for span in spans if span.name == "l7.caller")
    assert server.attributes["edge.caller"] == "reports"
    assert handshake.attributes["tls.client.subject"] == "CN=reports"
    assert stage.attributes["edge.why"] == "reports, by its certificate"
    assert [line["enduser.id"] for line in lines] == ["reports", None]
    why = "caller: a certificate of an internal caller is needed, none was presented"
    assert [line["edge.why"] for line in lines] == ["", why]
    assert next(span for span in refused if span.name == "l7.caller").attributes["edge.why"] == why


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_resumed_handshake_still_knows_who_calls(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """The certificate travels in the ticket; nobody has to sign again."""
    async with running(tmp_path, Script(), _with_callers) as edge:
        context = _context(edge, issue_caller(tmp_path, "reports", tmp_path, 1), version)
        first = await trio.to_thread.run_sync(_call, edge, context, "/internal/x")
        second = await trio.to_thread.run_sync(_call, edge, context, "/internal/x", first[2])

    assert (first[:2], second[:2]) == ((200, False), (200, True))


async def test_a_certificate_of_another_authority_ends_in_an_alert(tmp_path: Path) -> None:
    """Also of the one that signs servers and control links: it says nothing about callers."""
    async with running(tmp_path, Script(), _with_callers) as edge:
        foreign = Pair(tmp_path / "foreign-ca.pem", tmp_path / "foreign-ca.key")
        make_authority(foreign, "somebody else")
        forged = Pair(tmp_path / "forged.pem", tmp_path / "forged.key")
        make_leaf(forged, foreign, "reports", [], [], 1)
        control = Pair(tmp_path / "keys" / "control.pem", tmp_path / "keys" / "control.key")
        for pair in (forged, control):
            with pytest.raises(ssl.SSLError, match="ALERT"):
                await trio.to_thread.run_sync(_call, edge, _context(edge, pair), "/feed")
        still = (await (await edge.phone()).get("/feed")).status

    assert still == 200


async def test_nobody_is_asked_while_no_route_wants_it(tmp_path: Path) -> None:
    """A browser that is asked bothers its user; a reload begins to ask without a restart."""
    async with running(tmp_path, Script()) as edge:
        pair = issue_caller(tmp_path, "reports", tmp_path, 1)
        before = await edge.phone(context=_context(edge, pair))
        assert (await before.get("/internal/x")).status == 200
        assert edge.worker.certificates.context.verify_mode == ssl.CERT_NONE

        edge.worker.use(_with_callers(edge.worker.config), "2")

        assert (await before.get("/internal/x")).status == 403, "it was not asked when it came"
        after = await edge.phone(context=_context(edge, pair))
        assert (await after.get("/internal/x")).status == 200
        edge.worker.use(edge.process.config, "1")
        assert edge.worker.certificates.context.verify_mode == ssl.CERT_NONE


async def test_certificates_chosen_by_name_ask_as_well(tmp_path: Path) -> None:
    """The context that SNI switches to verifies what the first one asked for."""
    async with running(tmp_path, Script(), _with_callers) as edge:
        for suffix in ("pem", "key"):
            copy(tmp_path / "keys" / f"edge.{suffix}", tmp_path / "keys" / f"i.edge.test.{suffix}")
        edge.worker.certificates.reload()
        phone = await edge.phone(context=_context(edge, issue_caller(tmp_path, "reports", tmp_path, 1)))

        assert (await phone.get("/internal/x")).status == 200


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (GOOD, "reports"),
        (GOOD | {"notAfter": "Nov 28 11:59:59 2026 GMT"}, ""),
        (GOOD | {"subject": ()}, ""),
        (GOOD | {"subject": ((("commonName", "a"),), (("commonName", "b"),))}, ""),
        (GOOD | {"subject": ((("commonName", "a\r\nedge-account: 1"),),)}, ""),
        (GOOD | {"subject": ((("commonName", "a b"),),)}, ""),
        (GOOD | {"subject": ((("organizationName", "x"), ("commonName", "a.b-c_1")),)}, "a.b-c_1"),
    ],
)
def test_a_name_is_one_plain_word_of_a_certificate_that_still_holds(certificate: object, name: str) -> None:
    """It becomes a header's value; and a ticket must not outlive its certificate."""
    assert name_of(certificate, NOON_UNIX) == name


async def test_a_configuration_whose_authority_is_missing_is_not_taken_over(tmp_path: Path) -> None:
    """All of it or nothing: routes that nobody could prove himself for would be shut."""
    async with running(tmp_path, Script()) as edge:
        (tmp_path / "keys" / "callers-ca.pem").unlink()
        before = edge.worker.revision

        canned = RouteConfig(path="/canned", respond_status=200, respond_body="new")
        config = _with_callers(edge.worker.config)
        with pytest.raises(TlsError, match="callers-ca"):
            edge.worker.use(replace(config, route=(canned, *config.route)), "2")

        assert edge.worker.revision == before
        phone = await edge.phone()
        assert [(await phone.get(path)).body for path in ("/internal/x", "/canned")] == [b"hello"] * 2
