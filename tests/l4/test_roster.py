"""Who may be connected to: the hub's word, and before it the supervisor's notes."""

from edge.common.messages import Member
from edge.l4.roster import Roster, noted


def worker(number: int, **changes: object) -> Member:
    told = {"state": "live", "pop": "mumbai", "address": f"127.0.0.1:{9000 + number}"} | changes
    return Member(name=f"l7-mumbai-{number}", tier="l7", pid=1, **told)  # type: ignore[arg-type]


def test_only_the_live_ones_of_this_pop_are_used() -> None:
    """Drained by hand, draining, of another POP, or reached by a path: not for new connections."""
    roster = Roster("l7", "mumbai")

    roster.take(
        [
            worker(1),
            worker(2, state="draining"),
            worker(3, weight=0),
            worker(4, pop="singapore"),
            worker(5, address="/run/l7/l7-mumbai-5.sock"),
        ],
        [],
    )

    assert roster.usable() == {"l7-mumbai-1": ("127.0.0.1", 9001)}


def test_with_nobody_live_all_that_are_known_are_used() -> None:
    """Their sockets outlive them: a connection waits there for the restart."""
    roster = Roster("l7", "mumbai")
    roster.take([worker(1), worker(2, state="starting")], [])
    roster.take([], ["l7-mumbai-1"])

    assert roster.usable().keys() == {"l7-mumbai-1", "l7-mumbai-2"}


def test_before_the_hubs_first_word_the_notes_hold() -> None:
    """A standby that was never told anything serves all the same."""
    notes = b'{"l7-mumbai-1": {"relay": "127.0.0.1:9001"}, "l7-singapore-1": {"relay": "127.0.0.1:9002"}}'
    roster = Roster("l7", "mumbai", noted(notes, "relay", "l7-mumbai-"))

    before = roster.usable()
    roster.take([worker(1, state="starting"), worker(2)], [])

    assert before == {"l7-mumbai-1": ("127.0.0.1", 9001)}
    assert roster.usable() == {"l7-mumbai-2": ("127.0.0.1", 9002)}


def test_a_restarted_workers_new_address_replaces_the_old_one() -> None:
    """A port of its own on another host may differ each time."""
    roster = Roster("l7", "mumbai")
    roster.take([worker(1)], [])
    roster.take([worker(1, address="[::1]:7000")], [])

    assert roster.usable() == {"l7-mumbai-1": ("::1", 7000)}


def test_notes_that_make_no_sense_are_no_notes() -> None:
    """Half written, of another version, or without the socket that is asked for."""
    for notes in (b"", b"{", b"[]", b'{"a": 1}', b'{"a": {}}', b'{"a": {"relay": "nowhere"}}'):
        assert noted(notes, "relay") == {}
