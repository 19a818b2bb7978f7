"""`edge l4` by itself: any TCP service, and a release without a lost connection."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def echo_port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def echo(phone: socket.socket) -> None:
        with phone:
            while data := phone.recv(4096):
                phone.sendall(data)

    def serve() -> None:
        while True:
            try:
                phone, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(phone,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def start(started: list["subprocess.Popen[str]"], *arguments: str) -> tuple["subprocess.Popen[str]", int]:
    command = [sys.executable, "-m", "edge", "l4", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[2].rpartition(":")[2])


def ask(phone: socket.socket) -> bytes:
    phone.sendall(b"hello")
    return phone.recv(10)


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_new_release_takes_the_socket_while_phones_keep_calling(
    processes: list["subprocess.Popen[str]"], echo_port: int, tmp_path: Path
) -> None:
    """The old process finishes its connections and ends; nobody who calls meanwhile fails."""
    arguments = ("--to", f"127.0.0.1:{echo_port}", "--handover", str(tmp_path / "l4.sock"), "--drain", "5")
    old, port = start(processes, *arguments)
    long_one = call(port)
    before = ask(long_one)
    failures: list[str] = []
    answered = 0
    over = threading.Event()

    def keep_calling() -> None:
        nonlocal answered
        while not over.is_set():
            try:
                with call(port) as phone:
                    answered += ask(phone) == b"hello"
            except OSError as error:
                failures.append(repr(error))
            time.sleep(0.005)

    caller = threading.Thread(target=keep_calling)
    caller.start()
    _, same_port = start(processes, *arguments)
    time.sleep(0.5)
    still = ask(long_one)
    long_one.close()
    status = old.wait(timeout=6)
    with call(port) as phone:
        after = ask(phone)
    over.set()
    caller.join()

    assert same_port == port
    assert (before, still, after) == (b"hello",) * 3
    assert (status, failures) == (0, [])
    assert answered > 50


def test_bad_words_are_all_named_and_the_status_is_two() -> None:
    """One run tells everything that is wrong."""
    command = [sys.executable, "-m", "edge", "l4", "--listen", "nowhere", "--to", "x", "--syn-guard", "bpf"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 2
    assert all(word in done.stderr for word in ("'nowhere'", "'x'", "'bpf'"))


def test_a_taken_port_is_named(processes: list["subprocess.Popen[str]"], echo_port: int) -> None:
    """And not a traceback."""
    command = [
        sys.executable,
        "-m",
        "edge",
        "l4",
        "--listen",
        f"127.0.0.1:{echo_port}",
        "--to",
        "127.0.0.1:1",
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{echo_port}" in done.stderr


def refused(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "l4", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_a_port_that_is_taken_is_told_with_its_owner(echo_port: int) -> None:
    """The next question is always: by whom?"""
    told = refused("--listen", f"127.0.0.1:{echo_port}", "--to", "127.0.0.1:9")

    assert f"cannot listen on 127.0.0.1:{echo_port}" in told
    assert f"pid {os.getpid()}" in told


def test_every_mistake_of_a_command_is_told_at_once(tmp_path: Path) -> None:
    """In a sentence each, and before a port is opened."""
    told = refused(
        *("--to", "127.0.0.1:0", "--to", "nowhere", "--to", "127.0.0.1:7", "--to", "127.0.0.1:7"),
        *("--proxy-from", "nonsense", "--rate", "0", "--connections", "0", "--syn-guard", "ebpf"),
        *("--handover", str(tmp_path / "absent" / "socket")),
    )

    for part in (
        "port 0 is no port", "'nowhere' is not HOST:PORT", "given more than once",
        "'nonsense' is not a network", "--rate 0", "--connections 0", "'ebpf'", "there is no directory",
    ):  # fmt: skip
        assert part in told, told


def test_a_host_may_be_given_by_name(processes: list["subprocess.Popen[str]"], echo_port: int) -> None:
    """Looked up once, when the command starts."""
    _, port = start(processes, "--listen", "localhost:0", "--to", f"localhost:{echo_port}")

    with call(port) as phone:
        assert ask(phone) == b"hello"
