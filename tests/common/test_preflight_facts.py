"""Looking at this very machine."""

import os
import socket
from pathlib import Path

import pytest

from edge.common.config import Config, DnsConfig
from edge.common.preflight import check
from edge.common.preflight_facts import preflight, read_facts
from edge.supervise.keys import ensure_keys

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux only")


def config_on(port: int) -> Config:
    return Config(console=f"127.0.0.1:{port}", dns=DnsConfig(listen="127.0.0.1:0"))


def test_a_port_held_by_this_process_is_traced_to_it(tmp_path: Path) -> None:
    """The message names a pid that can be killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        problems = preflight(config_on(server.getsockname()[1]), tmp_path)

    assert len(problems) == 1
    assert f"pid {os.getpid()} (" in problems[0]


def test_an_address_of_another_machine_is_found_out(tmp_path: Path) -> None:
    """192.0.2.1 is documentation's: nobody has it."""
    facts = read_facts(Config(console="192.0.2.1:9", dns=DnsConfig(listen="127.0.0.1:0")), tmp_path)

    assert "192.0.2.1" in facts.unusable_addresses


def test_private_keys_are_looked_at_and_certificates_left_out(tmp_path: Path) -> None:
    """What a file holds decides, so that a certificate by a new name stops nobody."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("ca.key", "session-1.pem", "tenant.pem"):
        (keys / name).write_text("-----BEGIN PRIVATE KEY-----\n")
    for name in ("session-1.pub.pem", "edge.pem", "control.pem"):
        (keys / name).write_text("-----BEGIN CERTIFICATE-----\n")

    seen = {Path(one.path).name for one in read_facts(config_on(0), tmp_path).modes}

    assert seen == {tmp_path.name, "keys", "ca.key", "session-1.pem", "tenant.pem"}


def test_certificates_that_everybody_may_read_do_not_stop_a_second_start(tmp_path: Path) -> None:
    """A run directory from a version that made certificates 0644 still starts."""
    config = config_on(0)
    ensure_keys(tmp_path, config)
    for stem in ("control", "edge"):
        (tmp_path / "keys" / f"{stem}.pem").chmod(0o644)

    checks = check(config, read_facts(config, tmp_path))

    assert [one for one in checks if one.name == "permissions" and one.level != "ok"] == []


def test_a_control_socket_that_answers_means_a_running_edge(tmp_path: Path) -> None:
    """A file left over from a crash does not."""
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert read_facts(config_on(0), tmp_path).hub_pid is None
        listener.listen()
        assert read_facts(config_on(0), tmp_path).hub_pid == os.getpid()
