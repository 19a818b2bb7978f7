"""A phone's resolver against the real name server, both in gevent's world, on port 0."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent.server
import msgspec
import pytest

from edge.dns.nameserver import NameServer
from loadtest import resolver as module
from loadtest.resolver import NameNotFound, Resolver
from tests.kit.dns_queries import CONFIG, EVERYBODY, JAIPUR


class Reports(list[Exception | None]):
    """What Locust would hear."""

    def __call__(self, took_ms: float, error: Exception | None) -> None:
        """One look-up."""
        assert took_ms >= 0.0
        self.append(error)


@contextmanager
def answering(asked: NameServer, mute: int = 0) -> Iterator[tuple[str, int]]:
    """A name server that does not answer its first `mute` packets."""
    silent = iter(range(mute))

    class Datagrams(gevent.server.DatagramServer):  # type: ignore[misc]
        def handle(self, data: bytes, address: tuple[str, int]) -> None:
            if next(silent, None) is None:
                outcome = asked.answer(data, address[0], time.monotonic(), over_tcp=False)
                self.socket.sendto(outcome.data, address)

    def stream(opened: gevent.socket.socket, address: tuple[str, int]) -> None:
        data = opened.recv(4096)
        outcome = asked.answer(data[2:], address[0], time.monotonic(), over_tcp=True)
        assert outcome.data is not None
        framed = len(outcome.data).to_bytes(2, "big") + outcome.data
        opened.sendall(framed[:3])
        opened.sendall(framed[3:])
        opened.close()

    tcp = gevent.server.StreamServer(("127.0.0.1", 0), stream)
    tcp.start()
    udp = Datagrams(("127.0.0.1", tcp.server_port))
    udp.start()
    try:
        yield ("127.0.0.1", tcp.server_port)
    finally:
        udp.stop()
        tcp.stop()


def nameserver(**changes: float) -> NameServer:
    """The keeper of edge.dns, as it would be in its process."""
    config = msgspec.structs.replace(CONFIG, dns=msgspec.structs.replace(CONFIG.dns, **changes))
    return NameServer(config, "dns-1", "127.0.0.1", serial=1)


def resolver(server: tuple[str, int], reports: Reports, name: str = "i.edge.test") -> Resolver:
    return Resolver(server, name, JAIPUR, reports)


def test_a_phone_finds_its_pop_and_asks_once_per_ttl() -> None:
    """The second connection costs no look-up."""
    reports = Reports()
    with answering(nameserver()) as server:
        asking = resolver(server, reports)

        assert asking.addresses() == asking.addresses() == ("127.0.1.1",)
        assert reports == [None]


def test_a_failed_address_is_looked_up_again() -> None:
    """And by then DNS knows better."""
    reports = Reports()
    keeper = nameserver()
    with answering(keeper) as server:
        asking = resolver(server, reports)
        asking.addresses()
        keeper.learn(EVERYBODY, [known.name for known in EVERYBODY if known.pop == "mumbai"])

        asking.book.forget("127.0.1.1")

        assert asking.addresses() == ("127.0.2.1",)


def test_a_lost_packet_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """UDP promises nothing."""
    monkeypatch.setattr(module, "TRY_TIMEOUT_S", 0.05)
    reports = Reports()
    with answering(nameserver(), mute=2) as server:
        assert resolver(server, reports).addresses() == ("127.0.1.1",)
    assert reports == [None]


def test_a_truncated_reply_is_asked_for_over_tcp() -> None:
    """The response limit's way of finding out who is real."""
    reports = Reports()
    with answering(nameserver(queries_per_s_max=0.001)) as server:
        assert resolver(server, reports).addresses() == ("127.0.1.1",)
        assert resolver(server, reports).addresses() == ("127.0.1.1",)


def test_a_silent_name_server_costs_nothing_while_an_answer_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """But it is reported, and whoever knows nothing has nobody to call."""
    monkeypatch.setattr(module, "TRY_TIMEOUT_S", 0.02)
    reports = Reports()
    with answering(nameserver()) as server:
        asking = resolver(server, reports)
        asking.addresses()
    asking.book.learn(("127.0.1.1",), ttl_s=0, now=time.monotonic())

    assert asking.addresses() == ("127.0.1.1",)
    assert reports[0] is None
    assert isinstance(reports[1], Exception)
    with pytest.raises(NameNotFound):
        resolver(server, reports).addresses()


def test_a_name_that_is_not_there_is_no_address() -> None:
    """An OSError, which is what a connection that failed is."""
    with answering(nameserver()) as server, pytest.raises(NameNotFound, match="NXDOMAIN"):
        resolver(server, Reports(), "nobody.edge.test").addresses()
