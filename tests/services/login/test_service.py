"""Logging in, with the real keys and a real file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.common.http_client import Address
from edge.common.run_files import private_directory
from edge.supervise.keys import make_session_key
from services.login.credentials import Credentials
from services.login.service import serve
from services.login.tokens import NoKey, Signer
from tests.kit.services import ask, process_of, running

LOGIN = "/api/v1/accounts/login/"
JSON = (b"content-type", b"application/json")
OPTIONS = {"scrypt-log2": 4.0}


@pytest.fixture
async def login(tmp_path: Path) -> AsyncIterator[Address]:
    make_session_key(private_directory(tmp_path / "keys"), "1")
    async with running(serve, process_of("login", tmp_path, options=OPTIONS)) as address:
        yield address


def claims_of(cookie: bytes, run_dir: Path, kid: str) -> dict[str, object]:
    """What L7 reads from the cookie."""
    token = cookie.split(b";")[0].removeprefix(b"edge_session=").decode()
    assert jwt.get_unverified_header(token)["kid"] == kid
    key: Any = load_pem_public_key((run_dir / "keys" / f"session-{kid}.pub.pem").read_bytes())
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience="edge",
        issuer="edge-login",
    )
    return claims


async def test_a_name_and_a_password_become_a_cookie(login: Address, tmp_path: Path) -> None:
    """By JSON or by form; out of reach of scripts and of plain HTTP."""
    by_json = await ask(login, LOGIN, JSON, method="POST", body=b'{"username":"ada","password":"edge-ada"}')
    form = (b"content-type", b"application/x-www-form-urlencoded")
    by_form = await ask(login, LOGIN, form, method="POST", body=b"username=ada&password=edge-ada")

    for reply in (by_json, by_form):
        assert reply.status == 200
        assert reply.json()["logged_in_user"]["username"] == "ada"
        cookie = reply.header(b"set-cookie") or b""
        assert b"HttpOnly; Secure; SameSite=Lax" in cookie
        claims = claims_of(cookie, tmp_path, "1")
        assert (claims["sub"], claims["name"]) == ("1", "ada")
        assert reply.header(b"cache-control") == b"no-store"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username":"ada","password":"wrong"}', 401),
        (b'{"username":"nobody","password":"edge-nobody"}', 401),
        (b'{"username":"ada"}', 400),
        (b'{"username":"ada","password":7}', 400),
        (b'{"username":"ada","password":"' + b"x" * 257 + b'"}', 400),
        (b'{"username":"ada","password":"' + b"x" * 5000 + b'"}', 413),
    ],
)
async def test_anything_else_gets_no_cookie(login: Address, body: bytes, status: int) -> None:
    """And the 401s do not say which half was wrong."""
    reply = await ask(login, LOGIN, JSON, method="POST", body=body)

    assert reply.status == status
    assert reply.header(b"set-cookie") is None
    if status == 401:
        assert b"the user name or the password is wrong" in reply.body


async def test_logging_out_takes_the_cookie_back(login: Address) -> None:
    """Max-Age=0 makes a browser forget it."""
    reply = await ask(login, "/api/v1/accounts/logout/", method="POST")

    assert b"edge_session=; Path=/; Max-Age=0" in (reply.header(b"set-cookie") or b"")


async def test_the_newest_key_signs_as_soon_as_it_is_there(login: Address, tmp_path: Path) -> None:
    """Rotation needs no restart."""
    body = b'{"username":"grace","password":"edge-grace"}'
    await ask(login, LOGIN, JSON, method="POST", body=body)
    make_session_key(tmp_path / "keys", "2")

    reply = await ask(login, LOGIN, JSON, method="POST", body=body)

    assert claims_of(reply.header(b"set-cookie") or b"", tmp_path, "2")["sub"] == "2"


async def test_many_logins_at_once_are_served_in_turn(login: Address) -> None:
    """One hash at a time, and nobody is forgotten."""
    statuses: list[int] = []

    async def one(name: str) -> None:
        body = f'{{"username":"{name}","password":"edge-{name}"}}'.encode()
        statuses.append((await ask(login, LOGIN, JSON, method="POST", body=body)).status)

    async with trio.open_nursery() as nursery:
        for name in ["ada", "grace", "linus", "radia", "vint", "sally", "ada7"] * 4:
            nursery.start_soon(one, name)

    assert statuses == [200] * 28


def test_the_first_login_enrols_and_the_hash_counts_from_then_on(tmp_path: Path) -> None:
    """The file survives; what is in it is a hash, and the rule is asked once."""
    first = Credentials(tmp_path)
    assert not first.check(1, "wrong", 4)
    assert first._file.execute("SELECT count(*) FROM credential").fetchone() == (0,)
    assert first.check(1, "edge-ada", 4)
    first.close()

    second = Credentials(tmp_path)
    rows = second._file.execute("SELECT * FROM credential").fetchall()
    assert [account for account, _ in rows] == [1]
    assert "edge-ada" not in rows[0][1]
    assert second.check(1, "edge-ada", 4)
    assert not second.check(1, "edge-grace", 4)
    assert not second.check(None, "edge-ada", 4)
    second.close()


def test_without_a_key_nobody_is_let_in(tmp_path: Path) -> None:
    """An operator's mistake, said as one."""
    from edge.common.config import AuthConfig

    with pytest.raises(NoKey):
        Signer(tmp_path / "nowhere").sign(1, AuthConfig(), 0)
    with pytest.raises(NoKey):
        Signer(tmp_path).sign(1, AuthConfig(), 0)
