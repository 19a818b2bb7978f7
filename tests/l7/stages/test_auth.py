"""Who is it, by which policy, and was the phone tricked?"""

import pytest

from edge.common.config import AuthConfig, RouteConfig
from edge.l7.request import Request
from edge.l7.stages.auth import BAD_REMEMBERED_MAX, Auth, find_cookie
from edge.l7.stages.route_table import make_route
from edge.l7.verdict import Answer
from tests.l7.stages.test_session_token import NOW, OTHER, PRIVATE, pem, token

ADA = token()
COOKIE = b"edge_session=" + ADA


def stage(remembered_max: int = 100) -> Auth:
    return Auth(AuthConfig(remembered_max=remembered_max), {"1": pem(PRIVATE)})


def ask(
    auth: Auth, *headers: tuple[bytes, bytes], policy: str = "required", method: str = "GET", at: float = NOW
) -> tuple[Request, Answer | None]:
    request = Request(method, b"/", headers)
    request.route = make_route(RouteConfig(path="/", auth=policy, cluster="c"))  # type: ignore[arg-type]
    return request, auth(request, 0.0, at)


def test_the_cookie_says_who_it_is() -> None:
    """The service learns the account from us and from nobody else."""
    request, answer = ask(stage(), (b"cookie", b"lang=hi; " + COOKIE + b"; x=y"))

    assert answer is None
    assert (request.account, request.account_name) == (1, "ada")
    assert request.upstream_lines == b"edge-account: 1\r\n"


def test_a_bearer_token_does_as_well_and_goes_first() -> None:
    """Programs have no cookies; whoever sends both meant the explicit one."""
    by_bearer, _ = ask(stage(), (b"authorization", b"Bearer " + ADA))
    both, answer = ask(stage(), (b"cookie", COOKIE), (b"authorization", b"bearer " + token(sub="2")))

    assert by_bearer.account == 1
    assert answer is None
    assert both.account == 2


def test_without_a_session_the_policy_decides() -> None:
    """401 carries a challenge (RFC 9110 section 15.5.2)."""
    _, required = ask(stage())
    _, optional = ask(stage(), policy="optional")
    public, passed = ask(stage(), (b"cookie", COOKIE), policy="public")

    assert required is not None
    assert required.status == 401
    assert required.headers[0][0] == b"www-authenticate"
    assert optional is None
    assert passed is None
    assert public.account is None


def test_a_bad_session_is_nobody() -> None:
    """Optional: the request goes on without an account; required: 401."""
    request, optional = ask(stage(), (b"cookie", COOKIE[:-8]), policy="optional")
    _, required = ask(stage(), (b"cookie", COOKIE[:-8]))

    assert optional is None
    assert request.account is None
    assert required is not None
    assert b"invalid_token" in required.headers[0][1]


def test_a_token_is_verified_once_until_it_expires() -> None:
    """The signature costs more than everything else in the pipeline."""
    auth = stage()

    answers = [ask(auth, (b"cookie", COOKIE), at=NOW + second)[1] for second in range(0, 70, 10)]

    assert [answer is None for answer in answers] == [True] * 6 + [False]
    assert auth.verifications == 1


def test_a_forgery_is_verified_once_and_pushes_nobody_out() -> None:
    """A flood of forgeries costs the genuine nothing."""
    auth = stage()
    ask(auth, (b"cookie", COOKIE))
    for _ in range(3):
        ask(auth, (b"cookie", b"edge_session=a.b.c"))
    once = auth.verifications
    for number in range(BAD_REMEMBERED_MAX + 10):
        ask(auth, (b"cookie", b"edge_session=a.b.%d" % number))
    before = auth.verifications
    ask(auth, (b"cookie", COOKIE))

    assert once == 2
    assert auth.verifications == before
    assert len(auth._bad) <= BAD_REMEMBERED_MAX


def test_the_memory_of_sessions_is_bounded() -> None:
    """The oldest is verified again."""
    auth = stage(remembered_max=2)
    for account in ("1", "2", "3", "1"):
        ask(auth, (b"cookie", b"edge_session=" + token(sub=account)))

    assert len(auth._good) == 2
    assert auth.verifications == 4


def test_a_revoked_session_ends_at_once_and_is_forgotten_later() -> None:
    """Logout must not wait for the token's end, nor cost memory for ever."""
    auth = stage()
    ask(auth, (b"cookie", COOKIE))

    auth.revoke("j-1", NOW + 60)
    _, answer = ask(auth, (b"cookie", COOKIE))
    auth.expire(NOW + 61)

    assert answer is not None
    assert answer.status == 401
    assert not auth._revoked


def test_a_key_that_is_gone_takes_its_sessions_along() -> None:
    """After a leak the old key is removed, and its tokens must not live on in a memo."""
    auth = stage()
    ask(auth, (b"cookie", COOKIE))

    auth.reload(AuthConfig(), {"2": pem(OTHER)})

    assert ask(auth, (b"cookie", COOKIE))[1] is not None
    assert ask(auth, (b"cookie", b"edge_session=" + token(OTHER, "2")))[1] is None


HOST = (b"host", b"i.edge.test:8443")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([], True),
        ([(b"sec-fetch-site", b"same-origin")], True),
        ([(b"sec-fetch-site", b"none")], True),
        ([(b"sec-fetch-site", b"same-site")], False),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"cross-site"), (b"origin", b"https://i.edge.test:8443")], False),
        ([(b"origin", b"https://i.edge.test:8443")], True),
        ([(b"origin", b"https://evil.test")], False),
        ([(b"origin", b"null")], False),
    ],
)
def test_a_write_with_a_cookie_has_to_come_from_our_pages(
    headers: list[tuple[bytes, bytes]], passes: bool
) -> None:
    """A foreign page can make a browser send the cookie, but not forge these fields."""
    _, by_cookie = ask(stage(), (b"cookie", COOKIE), HOST, *headers, method="POST")
    _, by_bearer = ask(stage(), (b"authorization", b"Bearer " + ADA), HOST, *headers, method="POST")
    _, a_read = ask(stage(), (b"cookie", COOKIE), HOST, *headers)
    _, a_tunnel = ask(stage(), (b"cookie", COOKIE), HOST, (b"upgrade", b"websocket"), *headers)

    assert (by_cookie is None) is passes
    assert by_bearer is None
    assert a_read is None
    assert (a_tunnel is None) is passes
    assert by_cookie is None or by_cookie.status == 403


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"s=1", b"1"),
        (b"a=b; s=1", b"1"),
        (b"a=b;s=1;c=d", b"1"),
        (b"as=2; s=1", b"1"),
        (b"a=s=2; s=1", b"1"),
        (b"a=b s=1", None),
        (b"as=1", None),
        (b"", None),
        (b"s=1; s=2", b"\x00"),
        (b"s=", b""),
    ],
)
def test_the_right_cookie_is_found_without_parsing_the_others(header: bytes, value: bytes | None) -> None:
    """A name inside another name or value is not the name; a name sent twice verifies as nothing."""
    assert find_cookie(header, b"s=") == value


def test_two_bearer_tokens_are_none() -> None:
    """Two readings, so nobody's."""
    _, answer = ask(stage(), (b"authorization", b"Bearer " + ADA), (b"authorization", b"Bearer " + ADA))

    assert answer is not None
