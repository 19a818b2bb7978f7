"""What the phone keeps between two commands."""

from pathlib import Path

import msgspec

from edge.phone import memory as memory_module
from edge.phone.memory import Memory, cookie_of
from tests.kit.traces import TRACE_ID, cold_feed, span


def test_a_session_is_kept_privately_until_it_ends(tmp_path: Path) -> None:
    """It is somebody's login."""
    memory = Memory(tmp_path)

    memory.keep_session("ada", "edge_session=x", until_unix=100.0)

    assert memory.session("ada", unix_now=99.0) == "edge_session=x"
    assert memory.session("ada", unix_now=100.0) == ""
    assert memory.session("grace", unix_now=0.0) == ""
    assert (tmp_path / "phone").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "phone/session-ada.json").stat().st_mode & 0o777 == 0o600


def test_a_refused_session_is_forgotten(tmp_path: Path) -> None:
    """The edge has got new keys."""
    memory = Memory(tmp_path)
    memory.keep_session("ada", "edge_session=x", until_unix=100.0)

    memory.forget_session("ada")
    memory.forget_session("ada")

    assert memory.session("ada", unix_now=0.0) == ""


def test_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    """The worst that may happen is one more login."""
    memory = Memory(tmp_path)
    memory.keep_session("ada", "x", until_unix=1.0)
    (tmp_path / "phone/session-ada.json").write_text("{")

    assert memory.session("ada", unix_now=0.0) == ""


def test_traces_are_kept_up_to_a_bound(tmp_path: Path) -> None:
    """The directory does not grow for ever."""
    memory = Memory(tmp_path)
    memory.keep_trace(cold_feed())
    for number in range(memory_module.TRACES_MAX):
        one = span("a", "", "a", 0, 1)
        memory.keep_trace([msgspec.structs.replace(one, trace_id=f"{number:032x}")])

    assert memory.trace(TRACE_ID) == []
    assert len(memory.traces()) == memory_module.TRACES_MAX


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    """`edge trace --id` adds what the processes remember."""
    memory = Memory(tmp_path)
    memory.keep_trace(cold_feed())

    assert memory.trace(TRACE_ID) == cold_feed()
    assert memory.trace("../session-ada") == []


def test_the_cookie_is_found_with_its_lifetime() -> None:
    """As login sets it."""
    header = "edge_session=abc.def; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=60"

    assert cookie_of(header, "edge_session", 100.0) == ("edge_session=abc.def", 160.0)
    assert cookie_of("other=1", "edge_session", 100.0) is None
    assert cookie_of("edge_session=x", "edge_session", 0.0) == ("edge_session=x", memory_module.SESSION_S)
