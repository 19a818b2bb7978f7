"""An operator changes the rules of an edge that runs."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.kit.edges import ROOT, Edge, running_edge, wait_for
from tests.kit.phones import Phone

PATCH = """
[[rule]]
id = 200001
targets = ["args:colour"]
match = { rx = "(?i)^mauve$" }
action = "block"
msg = "Virtual patch: the service fails on mauve"
"""
EXCLUDE = """
[[exclude]]
rules = ["tag:attack-sqli"]
when = {{ path = "/api/v1/feed/timeline/" }}
targets = ["args:q"]
reason = "people quote SQL here"
expires = {expires}
"""
LEAK = """
[[rule]]
id = 200002
phase = "answer"
targets = ["answer_body"]
match = { contains = "ORA-00942" }
action = "block"
msg = "A database's error message"
"""
INBOX = "/api/v1/direct_v2/inbox/"
JSON = {"Content-Type": "application/json", "Origin": "https://i.edge.test"}
MAUVE = "/api/v1/feed/timeline/?colour=mauve"
SQL = "/api/v1/feed/timeline/?q=" + quote("1' or '1'='1")
# Long enough to reload and to ask, short enough to wait for.
EXCLUDED_S = 8.0


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Path]]:
    """An edge, and the rule file that its configuration names."""
    directory = tmp_path_factory.mktemp("rules")
    rules, file = directory / "patches.toml", directory / "edge.toml"
    rules.write_text("")
    text = (ROOT / "edge.toml").read_text()
    assert text.count("\n[waf]\n") == 1
    file.write_text(text.replace("\n[waf]\n", f'\n[waf]\nrules = ["{rules}"]\nanswers = true\n'))
    with running_edge(directory / "run", {"EDGE_CONFIG": str(file)}) as edge:
        yield edge, rules


def reload(edge: Edge) -> None:
    done = edge.run("reload")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.e2e
def test_a_virtual_patch_is_in_force_after_a_reload(patched: tuple[Edge, Path]) -> None:
    """Only the rule file has changed, and the service is not touched."""
    edge, rules = patched
    phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", "127.0.68.1")
    before = phone.get(MAUVE).status
    rules.write_text(PATCH)

    reload(edge)
    reply = wait_for(lambda: reply if (reply := phone.get(MAUVE)).status == 403 else None, 20.0)

    assert before in (200, 401)
    told = wait_for(lambda: edge.run("waf", "explain", reply.headers["x-request-id"]).stdout, 15.0)
    assert "rule 200001" in told


@pytest.mark.e2e
def test_a_rule_file_that_cannot_be_read_is_refused_before_anybody_gets_it(
    patched: tuple[Edge, Path],
) -> None:
    """With file and line, and the rules that are in force stay."""
    edge, rules = patched
    rules.write_text(PATCH.replace("match =", "mtach ="))

    done = edge.run("reload")

    assert done.returncode != 0
    assert f"{rules}:" in done.stdout + done.stderr


@pytest.mark.e2e
def test_what_a_service_lets_out_is_withheld(patched: tuple[Edge, Path]) -> None:
    """It was let in, is in the service's store, and does not come out again."""
    edge, rules = patched
    rules.write_text("")
    reload(edge)
    phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", "127.0.68.3")
    phone.log_in()
    thread = phone.get(INBOX).json()["inbox"]["threads"][0]["thread_id"]
    where = f"/api/v1/direct_v2/threads/{thread}/"
    sent = phone.ask("POST", f"{where}items/", b'{"text": "the database says ORA-00942"}', JSON)
    before = phone.get(where)

    rules.write_text(LEAK)
    reload(edge)
    after = wait_for(lambda: reply if (reply := phone.get(where)).status == 403 else None, 20.0)

    assert (sent.status, before.status) == (201, 200)
    assert b"ORA-" in before.body
    assert b"ORA-" not in after.body
    told = wait_for(lambda: edge.run("waf", "explain", after.headers["x-request-id"]).stdout, 15.0)
    assert "the answer to GET" in told and "rule 200002" in told


@pytest.mark.e2e
def test_an_exclusion_ends_when_it_says(patched: tuple[Edge, Path]) -> None:
    """Nobody has to remember it, and no memory of a verdict outlives it."""
    edge, rules = patched
    phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", "127.0.68.2")
    assert phone.get(SQL).status == 403
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=EXCLUDED_S)
    rules.write_text(EXCLUDE.format(expires=end.isoformat(timespec="seconds")))

    reload(edge)
    # The worker answers while it compiles, and whoever is refused ten times is banned.
    others = (
        Phone(
            edge.address("l4-mumbai-a"),
            edge.run_dir / "ca.pem",
            f"127.0.{70 + number // 250}.{number % 250 + 1}",
        )
        for number in range(30_000)
    )
    # Each worker takes its own time; connections go to them in turns.
    wait_for(lambda: all(next(others).get(SQL).status in (200, 401) for _ in range(8)), EXCLUDED_S)
    wait_for(lambda: phone.get(SQL).status == 403, 2 * EXCLUDED_S)

    assert datetime.datetime.now(datetime.UTC) > end - datetime.timedelta(seconds=1)
