"""A headless Chromium, driven over the DevTools protocol's pipe: no driver, no port, no download.

Messages are JSON with a NUL behind each, on file descriptors 3 and 4 of the
browser (`--remote-debugging-pipe`).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt)")

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-dev-shm-usage", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip


class BrowserError(AssertionError):
    """The page did not do what was expected of it."""


class Page:
    """One tab."""

    def __init__(self, browser: "subprocess.Popen[bytes]", send: int, receive: int) -> None:
        self._browser = browser
        self._send = send
        self._receive = receive
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.console: list[str] = []  # what the page's script said, and what CSP refused
        self.requested: list[str] = []  # every address the page asked for
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """One command and its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 20
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, condition: str, timeout_s: float = 15.0) -> Any:
        """Until the expression is true; its value."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                value = self.run(condition)
                # A node comes over the pipe as {}, which is true enough.
                if value not in (None, False, 0, ""):
                    return value
            except BrowserError:
                pass  # the page is being replaced; the next look sees the new one
            time.sleep(0.05)
        raise BrowserError(
            f"never true: {condition}\nthe page said: {self.console[-10:]}\n{self.text()[:1500]}"
        )

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.run("document.body.innerText"))

    def key(self, name: str) -> None:
        """Press and let go of a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def screenshot(self, path: Path, width: int = 1280, height: int = 800) -> None:
        """What it looks like."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def dark(self, on: bool = True) -> None:
        """What the system prefers."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._receive], [], [], left)[0]:
                raise BrowserError("the browser is silent")
            data = os.read(self._receive, 1 << 20)
            if not data:
                raise BrowserError("the browser has gone")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        return value

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and params.get("type") in ("error", "warning"):
            self.console.append(str([part.get("value", "") for part in params["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.console.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser of one's own, gone afterwards."""
    assert CHROMIUM is not None, "mark the test with needs_chromium"
    to_browser, our_send = os.pipe()
    our_receive, from_browser = os.pipe()

    def place_descriptors() -> None:
        # Through high numbers first: 3 or 4 may be one of the originals.
        high = [os.dup2(to_browser, 60), os.dup2(from_browser, 61)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    browser = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(3, 4, to_browser, from_browser),
        preexec_fn=place_descriptors,  # noqa: PLW1509  # between fork and exec, two dup2 calls
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Page(browser, our_send, our_receive)
    finally:
        browser.terminate()
        try:
            browser.wait(timeout=5)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()
        os.close(our_send)
        os.close(our_receive)
