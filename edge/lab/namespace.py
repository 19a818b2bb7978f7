"""Run something in a network of its own, without being root.  [I/O]

A new user namespace makes us root of nothing but a new network namespace
(user_namespaces(7)): there we may set kernel parameters and send packets by hand, and
nobody outside can be reached.  There is no way back for a process, so a child goes.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.common.errors import EdgeError
from edge.lab.syn_packet import FORGED_NETWORK

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_DONE, _NOT_ALLOWED, _FAILED = b"d", b"n", b"f"


class NoNamespace(EdgeError):
    """This kernel, or its administrator, does not allow it; the text says what was tried."""

    blame = "operator"
    status_hint = None


def apart(work: Callable[[], bytes]) -> bytes:
    """The result of `work`, done by a child in namespaces of its own.

    Raises `NoNamespace`, or an `EdgeError` that says what went wrong with `work`.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _tell(write, work)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    kind, told = data[:1], data[1:]
    if kind == _DONE:
        return told
    if kind == _NOT_ALLOWED:
        raise NoNamespace(told.decode())
    raise EdgeError(told.decode() or "the child in its own network ended without a result")


def _tell(write: int, work: Callable[[], bytes]) -> None:
    """The child's part: one letter that says how it went, and the result or the reason."""
    try:
        _enter()
        told = _DONE + work()
    except NoNamespace as error:
        told = _NOT_ALLOWED + str(error).encode()
    except (EdgeError, ExceptionGroup) as error:
        failure: BaseException = error
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if not isinstance(failure, EdgeError):
            traceback.print_exc()
        told = _FAILED + str(failure).encode()
    with os.fdopen(write, "wb") as pipe:
        pipe.write(told)


def tune(settings: Mapping[str, int]) -> None:
    """Set kernel parameters of this namespace, such as `net.ipv4.tcp_syncookies`.  Raises `NoNamespace`."""
    for name, value in settings.items():
        try:
            Path("/proc/sys", *name.split(".")).write_text(str(value))
        except OSError as error:
            raise NoNamespace(f"{name}: {error.strerror}") from error


def _enter() -> None:
    if shutil.which("ip") is None:
        raise NoNamespace("the program ip is missing (Debian: apt-get install iproute2)")
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        reason = os.strerror(ctypes.get_errno())
        raise NoNamespace(
            f"no network namespace of one's own: {reason} (user namespaces may be switched off)"
        )
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise NoNamespace(f"no user namespace: {error.strerror}") from error
    # Answers to forged sources come back to us, and nobody takes them.
    for command in (["link", "set", "lo", "up"], ["route", "add", FORGED_NETWORK, "dev", "lo"]):
        done = subprocess.run(["ip", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoNamespace(f"ip {' '.join(command)}: {done.stderr.strip()}")
