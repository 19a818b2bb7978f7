"""Which datagrams belong together, and until when?"""

from hypothesis import given
from hypothesis import strategies as st

from edge.l4.flows import Flows


def test_a_flow_lives_as_long_as_it_speaks() -> None:
    """Thirty seconds of silence end it; a datagram at the right time keeps it."""
    flows: Flows[str] = Flows(idle_s=30.0)
    flows.add("ada", "socket", 0.0)

    assert flows.find("ada", 29.0) == "socket"
    assert flows.find("ada", 58.0) == "socket"
    assert flows.expire(87.9) == []
    assert flows.expire(88.0) == ["socket"]
    assert flows.find("ada", 88.0) is None


def test_a_full_table_forgets_whoever_was_silent_for_longest() -> None:
    """A flood of new flows must not take the sockets of those that talk."""
    flows: Flows[str] = Flows(flows_max=2)
    flows.add("ada", "a", 0.0)
    flows.add("linus", "l", 1.0)
    flows.find("ada", 2.0)

    assert flows.add("grace", "g", 3.0) == ["l"]
    assert flows.handles() == ["a", "g"]


def test_a_flow_begun_again_gives_its_old_handle_back() -> None:
    """Silent for too long but not yet swept: its socket must not leak."""
    flows: Flows[str] = Flows(idle_s=30.0)
    flows.add("ada", "old", 0.0)

    assert flows.find("ada", 31.0) is None
    assert flows.add("ada", "new", 31.0) == ["old"]


@given(st.lists(st.tuples(st.sampled_from("fae"), st.integers(0, 9), st.integers(0, 5)), max_size=100))
def test_every_handle_is_given_back_exactly_once(steps: list[tuple[str, int, int]]) -> None:
    """A handle is a socket: lost it leaks, given back twice it closes a stranger's."""
    flows: Flows[int] = Flows(flows_max=4, idle_s=10.0)
    now, made = 0.0, 0
    alive: set[int] = set()
    for step, key, wait in steps:
        now += wait
        back: list[int] = []
        if step == "f":
            flows.find(key, now)
        elif step == "a":
            made += 1
            alive.add(made)
            back = flows.add(key, made, now)
        else:
            back = flows.expire(now)
        assert set(back) <= alive
        assert len(set(back)) == len(back)
        alive -= set(back)
        assert set(flows.handles()) == alive
        assert len(flows) <= 4
