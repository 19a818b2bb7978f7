"""`edge l4` by itself: any TCP service, and a release without a lost connection."""

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
