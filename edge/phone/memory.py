"""What does the phone remember between two commands?  [I/O]

Its session cookies, as an app keeps them, and its own side of the latest traces,
so that `edge trace --id` can show a request's whole path afterwards.  Both lie in
`run/phone/`, for the owner's eyes only.
"""

import http.cookies
import re
from pathlib import Path

import msgspec

from edge.common.run_files import private_directory, write_atomically
from edge.common.spans import Span

TRACES_MAX = 256
# A cookie without a lifetime ends with the browser; our "browser" is a working day.
SESSION_S = 8 * 3600
_NAME = re.compile(r"[a-z0-9._-]{1,64}\Z")
_TRACE_ID = re.compile(r"[0-9a-f]{32}\Z")


class _Session(msgspec.Struct):
    cookie: str  # "name=value"
    until_unix: float


def cookie_of(set_cookie: str, name: str, unix_now: float) -> tuple[str, float] | None:
    """The cookie `name` in a Set-Cookie header and until when it holds, None if it is not there."""
    try:
        morsel = http.cookies.SimpleCookie(set_cookie).get(name)
    except http.cookies.CookieError:
        return None
    if morsel is None:
        return None
    age = str(morsel["max-age"])
    return f"{name}={morsel.value}", unix_now + (int(age) if age.isdigit() else SESSION_S)


class Memory:
    """The phone's few files."""

    def __init__(self, run_dir: Path) -> None:
        self._directory = run_dir / "phone"

    def session(self, account: str, unix_now: float) -> str:
        """The cookie of `account`, empty if there is none that still holds."""
        try:
            data = self._session_path(account).read_bytes()
            session = msgspec.json.decode(data, type=_Session)
        except (OSError, msgspec.DecodeError):
            return ""
        return session.cookie if session.until_unix > unix_now else ""

    def keep_session(self, account: str, cookie: str, until_unix: float) -> None:
        """Remember that `account` is logged in."""
        private_directory(self._directory)
        write_atomically(self._session_path(account), msgspec.json.encode(_Session(cookie, until_unix)))

    def forget_session(self, account: str) -> None:
        """The edge did not take the cookie."""
        self._session_path(account).unlink(missing_ok=True)

    def keep_trace(self, spans: list[Span]) -> None:
        """Remember the phone's side of one trace; the oldest is forgotten."""
        directory = private_directory(private_directory(self._directory) / "traces")
        write_atomically(directory / f"{spans[0].trace_id}.json", msgspec.json.encode(spans))
        kept = sorted(directory.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-TRACES_MAX]:
            path.unlink(missing_ok=True)

    def trace(self, trace_id: str) -> list[Span]:
        """The phone's side of that trace, empty if it was not ours or is forgotten."""
        if not _TRACE_ID.match(trace_id):
            return []
        try:
            data = (self._directory / "traces" / f"{trace_id}.json").read_bytes()
            return msgspec.json.decode(data, type=list[Span])
        except (OSError, msgspec.DecodeError):
            return []

    def traces(self) -> list[str]:
        """The ids of the remembered traces, newest first."""
        found = sorted((self._directory / "traces").glob("*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in reversed(found)]

    def _session_path(self, account: str) -> Path:
        assert _NAME.match(account), "the command line has checked the name"
        return self._directory / f"session-{account}.json"
