"""The public HTTP caching tests (github.com/http-tests/cache-tests) through a real worker.

Somebody else's suite is not part of this repository.  Name a checkout of it, with
its dependencies installed (`npm install`), in EDGE_CACHE_TESTS_DIR.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SUITE = Path(os.environ.get("EDGE_CACHE_TESTS_DIR", ""))
# What the best peers score (varnish 119 passes, apache 12 failures), and what they must not exceed.
PASSES_MIN, FAILURES_MAX = 119, 12

# Prints [kind, outcome] of each test; the suite itself knows which results depend on which.
SCORE = """
import fs from 'fs'
const [dir, file] = process.argv.slice(1)
const tests = (await import(`${dir}/tests/index.mjs`)).default
const { determineTestResult } = await import(`${dir}/test-engine/lib/results.mjs`)
const results = JSON.parse(fs.readFileSync(file).toString())
const outcome = id => determineTestResult(tests, id, results)[2]
const told = tests.flatMap(suite => suite.tests).filter(test => !test.browser_only).map(
  test => [test.kind || 'required', outcome(test.id), test.id, results[test.id]])
console.log(JSON.stringify(told))
"""


@pytest.mark.e2e
@pytest.mark.tool
@pytest.mark.skipif(not (SUITE / "test-engine").is_dir(), reason="EDGE_CACHE_TESTS_DIR names no checkout")
def test_the_public_suite_finds_no_more_than_in_the_best_peers(tmp_path: Path) -> None:
    """RFC 9111 as somebody else reads it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        origin_port = probe.getsockname()[1]
    settings = {"npm_config_protocol": "http", "npm_config_port": str(origin_port)}
    settings |= {"npm_config_pidfile": str(tmp_path / "pid"), "npm_package_config_id": ""}
    origin = subprocess.Popen(
        ["node", "test-engine/server/server.mjs"],
        cwd=SUITE,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.kit.caching_worker", str(tmp_path / "run"), f"127.0.0.1:{origin_port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert worker.stdout is not None
        port = json.loads(worker.stdout.readline())["https"]
        time.sleep(1.0)
        settings |= {"npm_config_base": f"https://127.0.0.1:{port}", "NODE_TLS_REJECT_UNAUTHORIZED": "0"}
        done = subprocess.run(
            ["node", "--no-warnings", "test-engine/cli.mjs"],
            cwd=SUITE,
            env=os.environ | settings,
            capture_output=True,
            timeout=400,
            check=True,
        )
    finally:
        for process in (worker, origin):
            process.kill()
            process.wait()
    results = tmp_path / "results.json"
    results.write_bytes(done.stdout)

    told: list[list[Any]] = json.loads(
        subprocess.run(
            ["node", "--input-type=module", "-e", SCORE, str(SUITE.resolve()), str(results)],
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout
    )
    required = Counter(outcome for kind, outcome, _, _ in told if kind == "required")
    failed = [(name, why) for kind, outcome, name, why in told if kind == "required" and outcome == "⛔️"]
    print(f"required: {required['✅']} pass, {len(failed)} fail")
    assert required["✅"] >= PASSES_MIN, required
    assert len(failed) <= FAILURES_MAX, failed
