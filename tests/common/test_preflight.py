"""What is checked before anything starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.common.config import Config
from edge.common.config_file import load
from edge.common.preflight import Facts, FileMode, Owner, check, problems, wanted
from edge.common.proc_net import Listener

CONFIG: Config = load(Path(__file__).parents[2] / "edge.toml", {})
GOOD = Facts(
    python=(3, 11, 9),
    run_dir="/tmp/run",
    open_files=(65536, 65536),
    memory_available_bytes=2 * 1024**3,
    disk_free_bytes=1024**3,
    unix_now=2_000.0,
    ca_made_unix=1_000.0,
    modes=(FileMode(path="/tmp/run/keys/edge.key", mode=0o600),),
)
SOMEBODY = Listener("tcp", "0.0.0.0", 8443, 77)


def found(**changes: Any) -> list[str]:
    return problems(check(CONFIG, replace(GOOD, **changes)))


def test_a_good_machine_has_no_problem() -> None:
    """Each check says so too, for `edge doctor`."""
    checks = check(CONFIG, GOOD)

    assert problems(checks) == []
    assert {one.level for one in checks} == {"ok"}


def test_a_taken_port_names_its_owner_and_both_ways_out() -> None:
    """Whoever reads it can act on it at once: stop that, or move this."""
    lines = found(listeners=(SOMEBODY,), owners={77: Owner(4711, "nginx: master")})

    assert lines == [
        f"tcp 127.0.{pop}.1:8443 (for l4 of {name}) is taken by pid 4711 (nginx: master); "
        "stop it (kill 4711) or choose another with EDGE_HTTPS_PORT"
        for pop, name in ((1, "mumbai"), (2, "singapore"))
    ]


def test_another_users_process_is_named_as_such() -> None:
    """We may not see whose it is, and do not pretend to."""
    assert "a process of another user" in found(listeners=(SOMEBODY,))[0]


def test_our_own_listeners_are_not_in_our_way() -> None:
    """`edge doctor` beside a running edge is all green."""
    ours = found(listeners=(SOMEBODY,), owners={77: Owner(5, "l4")}, our_pids=frozenset({5}), hub_pid=5)

    assert ours == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"python": (3, 10, 2)}, "Python 3.10.2 is too old"),
        (
            {"unusable_addresses": {"127.0.1.1": "Cannot assign requested address"}},
            "ip address add 127.0.1.1/32",
        ),
        ({"open_files": (256, 10240)}, "ulimit -n 4096"),
        ({"memory_available_bytes": 100 * 1024**2}, "100 MB of memory"),
        ({"disk_free_bytes": 1024}, "EDGE_RUN_DIR"),
        ({"run_dir": "/" + "x" * 100}, "too long a path"),
        ({"unix_now": 0.0, "ca_made_unix": 1e6}, "the clock is 1000000 s behind"),
        ({"modes": (FileMode(path="/r/keys/ca.key", mode=0o644),)}, "chmod 600 /r/keys/ca.key"),
        ({"modes": (FileMode(path="/r", mode=0o700, ours=False),)}, "belongs to another user"),
        ({"hub_pid": 12}, "an edge is already running in /tmp/run (hub: pid 12)"),
        ({"unprivileged_port_min": 9000}, "is for root only"),
    ],
)
def test_each_obstacle_is_named_with_the_way_out(changes: dict[str, Any], expected: str) -> None:
    """Before anything starts, instead of as a traceback of the third process."""
    assert any(expected in line for line in found(**changes)), found(**changes)


def test_an_open_directory_is_a_warning_because_starting_closes_it() -> None:
    """`mkdir` makes 0755; that should not cost anybody a second try."""
    directory = FileMode(path="/tmp/run", mode=0o755, directory=True)

    assert found(modes=(directory,)) == []


def test_the_longest_path_that_fits_is_not_refused() -> None:
    """The kernel's limit is 107 bytes, and caution beyond it would refuse what works."""
    room = 107 - len("/l7/l7-singapore-1.sock")

    assert found(run_dir="/" + "x" * (room - 1)) == []
    assert found(run_dir="/" + "x" * room) != []


def test_ports_that_are_zero_are_not_wanted() -> None:
    """Two edges with free ports can run side by side."""
    config = Config(https_port=0, http_port=0, console="127.0.0.1:0", pop=CONFIG.pop)

    assert {one.owner for one in wanted(config)} == {"dns"}
