"""Two public HTTP/1.1 suites against a real worker: 33 of 33 each.

Somebody else's suites are not part of this repository.  EDGE_H1SPEC_DROPSEED and
EDGE_H1SPEC_UNETWORKING name checkouts of github.com/dropseed/h1spec and
github.com/uNetworking/h1spec; the second needs Deno (`npm install deno`), whose
program EDGE_DENO names.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.tool]

DROPSEED = Path(os.environ.get("EDGE_H1SPEC_DROPSEED", "absent"))
UNETWORKING = Path(os.environ.get("EDGE_H1SPEC_UNETWORKING", "absent"))
DENO = os.environ.get("EDGE_DENO", "deno")
TESTS = 33


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Plain TCP to a real worker over TLS."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.kit.plain_door", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert worker.stdout is not None
        yield json.loads(worker.stdout.readline())["plain"]
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.skipif(not DROPSEED.is_dir(), reason="EDGE_H1SPEC_DROPSEED names no checkout")
def test_dropseed_finds_nothing(port: int) -> None:
    """Strictly."""
    done = subprocess.run(
        [sys.executable, "-c", "import h1spec; h1spec.main()", "--strict", f"localhost:{port}"],
        cwd=DROPSEED,
        env=os.environ | {"PYTHONPATH": str(DROPSEED)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"\b{TESTS} passed\b", done.stdout), done.stdout


@pytest.mark.skipif(not UNETWORKING.is_dir(), reason="EDGE_H1SPEC_UNETWORKING names no checkout")
def test_unetworking_finds_nothing(port: int) -> None:
    """Its runner opens all 33 connections at once and gives each half a second, handshake included.

    On a busy machine that is too little, so it may try again; a wrong answer is wrong each time.
    """
    told = ""
    for _ in range(3):
        done = subprocess.run(
            [DENO, "run", "--no-check", "--allow-net", "http_test.ts", "localhost", str(port)],
            cwd=UNETWORKING,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        told = done.stdout + done.stderr
        if "timed out" not in told:
            break

    assert f"{TESTS} out of {TESTS} tests passed" in told, told
