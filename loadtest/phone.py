"""A phone: it resolves, connects, logs in, and then lives as a person would.  [I/O]

One greenlet and one conversation each, so with fifty phones the edge holds fifty
connections.  A reply is good when it has the right status *and* the parts that a
screen needs; a feed that came without advertisements is good, and noted.
"""

import itertools
import random
import uuid
from typing import Any, ClassVar

from locust import FastHttpUser, task

from edge.common.people import password, username
from edge.common.places import City
from loadtest.connections import ContextFactory, Line, PhoneClients, trusting
from loadtest.notable import Notable
from loadtest.person import Person
from loadtest.resolver import Resolver
from loadtest.settings import Settings

# Pictures that a screen shows before anybody scrolls.
PICTURES = 3
# Which of a picture's sizes is asked for: they come largest first.  A feed shows thumbnails,
# a story fills the screen.
LARGE, SMALL = 0, -1
# Connections a phone keeps; its one greenlet uses one at a time.
CONNECTIONS = 2
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 20.0

LOGIN = "/api/v1/accounts/login/"
FEED = "/api/v1/feed/timeline/"
TRAY = "/api/v1/feed/reels_tray/"
INBOX = "/api/v1/direct_v2/inbox/"


class CityPhone(FastHttpUser):
    """What phones and attackers share: a city, a resolver, connections of their own."""

    abstract = True
    insecure = False
    network_timeout = REPLY_TIMEOUT_S
    connection_timeout = CONNECT_TIMEOUT_S

    settings: ClassVar[Settings]
    notable: ClassVar[Notable]
    _trust: ClassVar[ContextFactory | None] = None
    _numbers: ClassVar["itertools.count[int]"] = itertools.count()

    def __init__(self, environment: Any) -> None:
        settings = self.settings
        homes = settings.homes()
        self.number = next(self._numbers)
        self.city: City = homes[self.number % len(homes)]
        if CityPhone._trust is None:
            CityPhone._trust = trusting(settings.ca)
        self.host = settings.base_url()
        self.default_headers = {"User-Agent": "EdgePhone/1.0"}
        line = Line(
            Resolver(settings.dns_server(), settings.domain, self.city.ipv4, self._report_dns),
            settings.port_of,
            self.source(),
            self._count_connection,
        )
        self.clients = PhoneClients(
            line,
            CityPhone._trust,
            size=CONNECTIONS,
            connection_timeout=CONNECT_TIMEOUT_S,
            network_timeout=REPLY_TIMEOUT_S,
        )
        self.client_pool = self.clients
        super().__init__(environment)

    def source(self) -> str:
        """The address this phone calls from."""
        return self.city.loopback

    def on_stop(self) -> None:
        """Hang up."""
        self.clients.close()

    def _report_dns(self, took_ms: float, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="DNS",
            name=self.settings.domain,
            response_time=took_ms,
            response_length=0,
            exception=error,
            context={},
            response=None,
        )

    def _count_connection(self, address: str) -> None:
        self.notable.connections[address] += 1


class Phone(CityPhone):
    """Somebody who came for the feed."""

    def on_start(self) -> None:
        """Log in, as on a new phone; the cookie stays."""
        self.dice = random.Random(self.number)
        self.person = Person(self.dice)
        self.account = self.number % self.settings.accounts + 1
        self.next_page = ""
        self.reels: list[int] = []
        self.threads: list[str] = []
        self.logged_in = False
        self.held_back_s = 0.0
        self._log_in()

    def wait_time(self) -> float:
        """How long they look at the screen; after a failure, how long the app holds still."""
        waiting_s, self.held_back_s = self.held_back_s, 0.0
        return waiting_s + self.person.pause_s(self.settings.pace)

    @task
    def live(self) -> None:
        """One step through the app."""
        if not self.logged_in:
            self._log_in()
            return
        getattr(self, f"_{self.person.move()}")()

    def _log_in(self) -> None:
        fields = {"username": username(self.account), "password": password(self.account)}
        self.logged_in = self._ask("POST", LOGIN, wants="logged_in_user", json=fields) is not None

    def _refresh(self) -> None:
        self.next_page = ""
        self._scroll()

    def _scroll(self) -> None:
        query = f"?max_id={self.next_page}" if self.next_page else ""
        page = self._ask("GET", FEED + query, name=FEED, wants="feed_items")
        if page is None:
            return
        self.next_page = page.get("next_max_id") or ""
        self.notable.degraded.update(page.get("degraded", ()))
        shown = [item["media_or_ad"] for item in page["feed_items"] if "media_or_ad" in item]
        for media in shown[:PICTURES]:
            self._look_at(media, SMALL)

    def _stories(self) -> None:
        if not self.reels:
            tray = self._ask("GET", TRAY, wants="tray")
            self.reels = [int(reel["id"]) for reel in tray["tray"]] if tray else []
            return
        owner = self.reels.pop(0)
        reel = self._ask(
            "GET", f"/api/v1/story/{owner}/items/", name="/api/v1/story/{id}/items/", wants="items"
        )
        if reel and reel["items"]:
            self._look_at(reel["items"][0], LARGE)

    def _inbox(self) -> None:
        inbox = self._ask("GET", INBOX, wants="inbox")
        if inbox:
            self.threads = [thread["thread_id"] for thread in inbox["inbox"]["threads"]]

    def _thread(self) -> None:
        if not self.threads:
            self._inbox()
            return
        self.dice.shuffle(self.threads)
        path = f"/api/v1/direct_v2/threads/{self.threads[0]}/"
        self._ask("GET", path, name="/api/v1/direct_v2/threads/{id}/", wants="thread")

    def _write(self) -> None:
        if not self.threads:
            self._inbox()
            return
        # The same context makes it the same message, should the phone have to send it twice.
        fields = {
            "text": self.person.phrase(),
            "client_context": uuid.UUID(int=self.dice.getrandbits(128)).hex,
        }
        path = f"/api/v1/direct_v2/threads/{self.threads[0]}/items/"
        self._ask("POST", path, name="/api/v1/direct_v2/threads/{id}/items/", status=201, json=fields)

    def _look_at(self, media: dict[str, Any], size: int) -> None:
        url = media["image_versions2"]["candidates"][size]["url"]
        with self.client.get(url, name="/media/{id}", catch_response=True) as reply:
            if reply.status_code == 200 and not reply.headers.get("content-type", "").startswith("image/"):
                reply.failure("200, but no picture")

    def _ask(
        self, method: str, path: str, *, name: str = "", status: int = 200, wants: str = "", json: Any = None
    ) -> dict[str, Any] | None:
        with self.client.request(method, path, name=name or path, json=json, catch_response=True) as reply:
            if reply.status_code != status:
                self.held_back_s = max(self.person.setback(), _retry_after_s(reply.headers))
                if reply.status_code == 401:
                    self.logged_in = False
                if reply.status_code:
                    reply.failure(f"{reply.status_code} instead of {status}")
                return None
            try:
                value = reply.json()
            except ValueError:
                reply.failure(f"{status}, but no JSON")
                return None
            if not isinstance(value, dict) or (wants and wants not in value):
                reply.failure(f'{status}, but without "{wants}"')
                return None
            self.person.recover()
            return value


def _retry_after_s(headers: Any) -> float:
    # Seconds, as our edge says it; the other form, a date, is nobody's here (RFC 9110 section 10.2.3).
    text = str((headers or {}).get("retry-after", ""))
    return float(text) if text.isascii() and text.isdigit() else 0.0
