"""A deploy loses no message and doubles none, however slowly it was typed.

Messages are POSTs, so nobody may simply repeat them.  Each has a text of its own; in
the end each must stand in its thread exactly once.
"""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.kit.edges import Edge, running_edge, wait_for
from tests.kit.phones import HOST, Phone

pytestmark = pytest.mark.e2e

QUICK, SLOW = 2, 3
# Longer than a draining service waits for a body (0.5 s), so that every deploy meets some.
SLOW_S = 1.2
PIECES = 6
SEND = "/api/v1/direct_v2/threads/broadcast/text/"


class Writer:
    """One phone that sends one message after the other, each once."""

    def __init__(self, edge: Edge, name: str, recipient: int, slow: bool) -> None:
        self.phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
        self.phone.log_in(name)
        self.slow = slow
        self.recipient = recipient
        self.sent: list[str] = []
        self.failures: list[str] = []
        self._address, self._ca = edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem"
        self._name = f"{name}-{'slow' if slow else 'quick'}"

    def write(self, stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            text = f"{self._name} {time.monotonic_ns()} {number}"
            # Without `client_context`, by which dm would forgive us a message that comes twice.
            body = json.dumps({"text": text, "recipient_users": f"[{self.recipient}]"}).encode()
            try:
                status = self._slowly(body) if self.slow else self._at_once(body)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            if status == 201:
                self.sent.append(text)
            else:
                self.failures.append(str(status))
            time.sleep(0.02)

    def _at_once(self, body: bytes) -> int:
        return self.phone.ask("POST", SEND, body, {"Content-Type": "application/json"}).status

    def _slowly(self, body: bytes) -> int:
        """On a connection of its own, because a draining *worker* would cut this; that is another promise."""
        context = ssl.create_default_context(cafile=str(self._ca))
        connection = http.client.HTTPSConnection(*self._address, context=context, timeout=20)
        context.check_hostname = False
        try:
            connection.putrequest("POST", SEND, skip_host=True)
            for name, value in (
                ("Host", HOST), ("Cookie", self.phone.cookie), ("Content-Type", "application/json"),
                ("User-Agent", "Phone/1.0"), ("Accept", "*/*"), ("Content-Length", str(len(body))),
            ):  # fmt: skip
                connection.putheader(name, value)
            connection.endheaders()
            size = -(-len(body) // PIECES)
            for at in range(0, len(body), size):
                connection.send(body[at : at + size])
                time.sleep(SLOW_S / PIECES)
            return connection.getresponse().status
        finally:
            connection.close()


def test_a_rolling_restart_loses_and_doubles_no_message(tmp_path: Path) -> None:
    """Both copies of dm are replaced, twice, while five phones write."""
    settings = {
        "EDGE__LIMIT__ACCOUNT__RATE_PER_S": "100000",
        "EDGE__LIMIT__ACCOUNT__BURST": "100000",
        # The firewall reads a body to its end before a service sees any of it, and so hides what we want.
        "EDGE__ROUTE__DIRECT__WAF": "off",
    }
    with running_edge(tmp_path, settings) as edge:
        reader = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
        reader.log_in("grace")
        me = reader.get("/api/v1/accounts/current_user/").json()["user"]["pk"]
        writers = [Writer(edge, "ada", int(me), slow=n >= QUICK) for n in range(QUICK + SLOW)]
        stop = threading.Event()
        threads = [threading.Thread(target=writer.write, args=(stop,), daemon=True) for writer in writers]
        for thread in threads:
            thread.start()
        wait_for(
            lambda: all(writer.sent for writer in writers),
            explain=lambda: str([writer.failures[:3] for writer in writers]),
        )

        for _ in range(2):
            done = edge.run("deploy", "dm", timeout_s=60)
            assert done.returncode == 0, done.stdout + done.stderr
        stop.set()
        for thread in threads:
            thread.join(30)

        failures = [failure for writer in writers for failure in writer.failures]
        sent = [text for writer in writers for text in writer.sent]
        stored = Counter(_all_texts(reader))
        given_back = _retried(edge)
    print(f"{len(sent)} messages, {given_back} given back by a draining copy and sent again")
    assert failures == []
    assert {text: stored[text] for text in sent if stored[text] != 1} == {}
    assert given_back > 0, "the slow ones were to be caught in the middle"


def _all_texts(reader: Phone) -> list[str]:
    texts: list[str] = []
    for thread in reader.get("/api/v1/direct_v2/inbox/").json()["inbox"]["threads"]:
        cursor: str | None = ""
        while cursor is not None:
            where = f"/api/v1/direct_v2/threads/{thread['thread_id']}/"
            page = reader.get(where + (f"?cursor={cursor}" if cursor else "")).json()["thread"]
            texts += [item.get("text", "") for item in page["items"]]
            cursor = page["oldest_cursor"]
    return texts


def _retried(edge: Edge) -> int:
    lines = [
        json.loads(line)
        for path in (edge.run_dir / "logs").glob("access-l7-*.jsonl*")
        for line in path.read_text().splitlines()
    ]
    return sum(line["url.path"] == SEND and line["edge.tries"] > 1 for line in lines)
