"""login: a name and a password in, a signed cookie out.  [I/O]"""

import time

import trio

from edge.common.config import AuthConfig
from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response
from edge.common.http_routes import Routes
from edge.common.people import account_of
from edge.common.process import Process
from services.frame import Frame, serve_routes
from services.login.credentials import Credentials
from services.login.passwords import COST_LOG2, PASSWORD_BYTES_MAX
from services.login.tokens import Signer
from services.profile import profile

BODY_BYTES_MAX = 4096
# Hashing keeps a core busy; this many may wait (some seconds), the next is sent away.
WAITING_MAX = 64
RETRY_AFTER_S = 2


async def serve(process: Process) -> None:
    """Let people in until drained."""
    frame = Frame(process)
    credentials = Credentials(process.run_dir)
    login = Login(frame, credentials, Signer(process.run_dir / "keys"))
    routes = Routes()
    routes.add("POST", "/api/v1/accounts/login/", login.login)
    routes.add("POST", "/api/v1/accounts/logout/", login.logout)
    try:
        await serve_routes(frame, routes)
    finally:
        credentials.close()


class Login:
    """The handlers."""

    def __init__(self, frame: Frame, credentials: Credentials, signer: Signer) -> None:
        self._frame = frame
        self._credentials = credentials
        self._signer = signer
        # One at a time: scrypt takes memory and a core, and `Credentials` one caller.
        self._door = trio.CapacityLimiter(1)
        attempts = frame.process.metrics.counter("edge_login_attempts_total", "Who tried", ("result",))
        self._attempts = {result: attempts.child(result) for result in ("ok", "wrong", "busy")}

    async def login(self, request: HttpRequest) -> HttpResponse:
        """200 and a cookie, or 401; never a word about which of the two was wrong."""
        fields = await request.fields(BODY_BYTES_MAX)
        name, secret = fields.get("username"), fields.get("password")
        if not isinstance(name, str) or not isinstance(secret, str) or not name or not secret:
            raise Refusal(400, "missing-field", "username and password are needed")
        if len(secret.encode()) > PASSWORD_BYTES_MAX:
            raise Refusal(400, "password-too-long", f"a password has at most {PASSWORD_BYTES_MAX} bytes")
        if self._door.statistics().tasks_waiting >= WAITING_MAX:
            self._attempts["busy"].value += 1
            headers = ((b"retry-after", b"%d" % RETRY_AFTER_S),)
            raise Refusal(503, "busy", "too many people are logging in right now", headers)
        await self._frame.work(request)
        account = account_of(name.strip().lower(), self._frame.accounts)
        cost = int(self._frame.option("scrypt-log2", COST_LOG2))
        with self._frame.recorder.internal(request.trace, "login.scrypt") as attributes:
            attributes["edge.scrypt.log2_n"] = cost
            check = self._credentials.check
            right = await trio.to_thread.run_sync(check, account, secret, cost, limiter=self._door)
        if account is None or not right:
            self._attempts["wrong"].value += 1
            request.attributes["edge.why"] = "no such account, or not its password"
            raise Refusal(401, "bad-credentials", "the user name or the password is wrong")
        self._attempts["ok"].value += 1
        auth = self._frame.process.config.auth
        token = self._signer.sign(account, auth, int(time.time()))
        value = {"logged_in_user": profile(account), "status": "ok"}
        return json_response(value, headers=(_cookie(auth, token, auth.ttl_s), _NOT_STORED))

    async def logout(self, request: HttpRequest) -> HttpResponse:
        """Take the cookie back.  The token itself lives until it expires or is revoked."""
        auth = self._frame.process.config.auth
        return json_response({"status": "ok"}, headers=(_cookie(auth, "", 0), _NOT_STORED))


_NOT_STORED = (b"cache-control", b"no-store")


def _cookie(auth: AuthConfig, token: str, max_age_s: int) -> tuple[bytes, bytes]:
    # Secure and HttpOnly: neither a plain-text hop nor a script gets to see it.  Lax:
    # a form on another site cannot post in somebody's name.
    value = f"{auth.cookie}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; Secure; SameSite=Lax"
    return b"set-cookie", value.encode()
