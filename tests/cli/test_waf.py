"""What `edge waf` says about requests, rules and logs."""

import io
import json
import sys
from pathlib import Path

import pytest

from edge.cli import waf
from edge.l7.audit_log import AuditLog
from edge.l7.waf.problem import RuleError

BODY_ATTACK = "curl https://i.edge.test/search -d 'q=<script>'"
ATTACK = "curl 'https://i.edge.test/search?q=1%27%20or%20%271%27=%271'"


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An edge's files, found by the environment as in a shell."""
    monkeypatch.setenv("EDGE_RUN_DIR", str(tmp_path))
    return tmp_path


def audited(request_id: str, capsys: pytest.CaptureFixture[str], curl: str = ATTACK) -> dict[str, object]:
    """What a worker would have written down about this request."""
    waf.try_request(curl, as_json=True)
    record: dict[str, object] = json.loads(capsys.readouterr().out)
    return record | {"request_id": request_id}


def test_an_attack_is_refused_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status says it to scripts, the rules to people."""
    status = waf.try_request(ATTACK)

    shown = capsys.readouterr().out
    assert status == 1
    assert "rule 101" in shown
    assert "[[exclude]]" in shown


def test_an_ordinary_request_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """0 is what a script takes for yes."""
    assert waf.try_request("curl https://i.edge.test/search?q=sunset") == 0


def test_what_is_no_request_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2, and a reason on stderr."""
    nonsense = tmp_path / "request"
    nonsense.write_bytes(b"\n\n")

    assert waf.try_request(str(nonsense)) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("name", ["no-such-file", "", "."])
def test_a_file_that_cannot_be_read_is_bad_input_and_no_traceback(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo is the commonest input of all."""
    assert waf.try_request(name) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The command line prints an EdgeError as one line."""
    with pytest.raises(waf.UnreadableLog, match="no-such"):
        waf.tune(log=tmp_path / "no-such")


def test_a_request_is_found_whichever_worker_answered_it(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The phone knows an id and nothing of workers."""
    record = audited("ab" * 16, capsys)
    AuditLog(run_dir, "l7-mumbai-1").write([record | {"request_id": "cd" * 16}])
    AuditLog(run_dir, "l7-mumbai-2").write([record])

    assert waf.explain("ab" * 16) == 0
    assert "rule 101" in capsys.readouterr().out
    assert waf.explain("ef" * 16) == 1


def test_an_edge_that_found_nothing_has_nothing_to_explain(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No log is no crash."""
    assert waf.explain("ab" * 16) == 1
    assert waf.tune() == 0


def test_tune_proposes_what_the_log_suggests(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several phones that are refused for the same field look like a mistake of ours."""
    record = audited("ab" * 16, capsys)
    AuditLog(run_dir, "l7-1").write([record | {"client": f"127.0.0.{number}"} for number in range(5)])

    waf.tune(hits_min=3)

    assert "args:q" in capsys.readouterr().out


def test_replay_names_the_decisions_that_would_change(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before new rules go out."""
    log = AuditLog(run_dir, "l7-1")
    log.write([audited("ab" * 16, capsys), audited("cd" * 16, capsys, BODY_ATTACK)])
    path = run_dir / "logs" / "waf-l7-1.jsonl"

    assert waf.replay(path) == 0
    assert waf.replay(path, embedded=False) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"{'ab' * 16}  block -> pass  GET /search?q=1%27%20or%20%271%27=%271"]
    assert "1 more rest on bodies" in told.err


def test_lint_names_every_mistake_and_every_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What excludes nothing and what guards nothing, before somebody relies on it."""
    doubtful, broken = tmp_path / "doubtful.toml", tmp_path / "broken.conf"
    doubtful.write_text('[[exclude]]\nrules = ["999999"]\nreason = "a typo"\nexpires = 2020-01-01\n')
    broken.write_text(
        'SecRule ARGS "@rx (unclosed" "id:300001,phase:2,deny"\n'
        'SecRule ARGS "@rx a(?=b)" "id:300002,phase:2,deny"\n'
    )

    assert waf.lint(doubtful) == 0
    told = capsys.readouterr().out
    assert f"{doubtful}:1: the exclusion means none of the rules that are loaded" in told
    assert f"{doubtful}:1: the exclusion ended at 2020-01-02 00:00 UTC and can go" in told
    assert told.endswith("1 exclusion, 2 notes\n")
    with pytest.raises(RuleError) as refused:
        waf.lint(broken, tmp_path / "no-such.toml")
    assert refused.value.problems == [
        f"{broken}:1: its pattern is none: missing ): (unclosed",
        f"{tmp_path / 'no-such.toml'}: no such file or directory",
    ]


def test_lint_counts_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded rules are usable."""
    assert waf.lint() == 0
    assert " rules, " in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["test", "-"], ["test", "-", "--json"], ["replay", "-"], ["tune", "--log", "-"]]
)
def test_standard_input_may_stand_for_a_file(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kubectl logs ... | edge waf tune --log -`; a dash is no option."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"GET / HTTP/1.1\nHost: a\n\n")))

    with pytest.raises(SystemExit) as left:
        waf.app(words)

    assert left.value.code == 0, capsys.readouterr()


def test_paranoia_has_four_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """A level that does not exist would be taken for the highest."""
    with pytest.raises(SystemExit):
        waf.app(["test", ATTACK, "--paranoia", "9"])
