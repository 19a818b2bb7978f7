"""Who is connected from where to which worker since when?"""

import tracemalloc

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.l4.connections import Connections, Row

ADA = bytes([203, 0, 113, 9])
LINUS = bytes(range(16))


def test_a_ticket_brings_back_its_source_once() -> None:
    """A credit that is repeated must not free a second connection's share."""
    table = Connections()
    ticket = table.add(ADA, 40112, link=1, since=5.0)

    assert table.rows(10) == [Row(ticket, ADA, 40112, 1, 5.0)]
    assert table.close(ticket, link=1) == ADA
    assert table.close(ticket, link=1) is None
    assert len(table) == 0


def test_a_ticket_of_another_link_is_nobodys() -> None:
    """A worker's second life must not close what its first life's number is used for now."""
    table = Connections()
    ticket = table.add(ADA, 1, link=2, since=0.0)

    assert table.close(ticket, link=1) is None
    assert table.close(-1, link=1) is None
    assert table.close(10**9, link=1) is None
    assert len(table) == 1


def test_a_link_that_ends_takes_its_connections_along() -> None:
    """The worker is dead, and so are they; what was moved elsewhere before stays."""
    table = Connections()
    table.add(ADA, 1, link=1, since=0.0)
    table.add(LINUS, 2, link=2, since=0.0)
    moved = table.add(LINUS, 3, link=1, since=0.0)
    table.move(moved, link=2)

    assert table.close_link(1) == [ADA]
    assert [row.port for row in table.rows(10)] == [2, 3]


def test_ten_thousand_connections_cost_less_than_a_hundred_bytes_each() -> None:
    """Bytes after the hand-off cost L4 nothing; remembering must not either."""
    tracemalloc.start()
    table = Connections()
    for number in range(10_000):
        table.add(number.to_bytes(4, "big"), number, link=1, since=float(number))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held / 10_000 < 60


class AsADictionary(RuleBasedStateMachine):
    """The arrays behave as the obvious dictionary of rows would."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Connections()
        self.model: dict[int, tuple[bytes, int, int]] = {}

    @rule(source=st.sampled_from([ADA, LINUS]), port=st.integers(0, 65535), link=st.integers(1, 3))
    def add(self, source: bytes, port: int, link: int) -> None:
        ticket = self.table.add(source, port, link, 0.0)
        assert ticket not in self.model
        self.model[ticket] = (source, port, link)

    @rule(ticket=st.integers(0, 10), link=st.integers(1, 3))
    def close(self, ticket: int, link: int) -> None:
        row = self.model.get(ticket)
        expected = row[0] if row is not None and row[2] == link else None
        if expected is not None:
            del self.model[ticket]
        assert self.table.close(ticket, link) == expected

    @rule(link=st.integers(1, 3))
    def close_link(self, link: int) -> None:
        gone = [ticket for ticket, row in self.model.items() if row[2] == link]
        expected = sorted(self.model.pop(ticket)[0] for ticket in gone)
        assert sorted(self.table.close_link(link)) == expected

    @invariant()
    def same(self) -> None:
        rows = {row.ticket: (row.source, row.port, row.link) for row in self.table.rows(10_000)}
        assert rows == self.model
        assert len(self.table) == len(self.model)


TestAsADictionary = AsADictionary.TestCase
TestAsADictionary.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
