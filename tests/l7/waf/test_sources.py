"""Whether rule files still say what was loaded."""

from pathlib import Path

import pytest

from edge.l7.waf.load import load_ruleset
from edge.l7.waf.problem import RuleError

RULE = '[[rule]]\nid = 200001\ntargets = ["args:a"]\nmatch = {{ rx = "{}" }}\nmsg = "m"\naction = "block"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rules of both kinds, one that includes another, and one with a data file."""
    (tmp_path / "patches.toml").write_text(RULE.format("mauve"))
    (tmp_path / "main.conf").write_text("Include more/*.conf\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.conf").write_text('SecRule ARGS "@pmFromFile words.data" "id:5,phase:2,deny"\n')
    (tmp_path / "more" / "words.data").write_text("beige\n")
    return tmp_path


def test_what_nobody_touched_has_not_changed(folder: Path) -> None:
    """Else each reload would compile a thousand rules."""
    rules = load_ruleset([folder], embedded=False)

    assert not rules.is_outdated()


@pytest.mark.parametrize("name", ["patches.toml", "main.conf", "more/one.conf", "more/words.data"])
def test_another_word_in_any_file_is_a_change(folder: Path, name: str) -> None:
    """An operator edits a rule and reloads; the configuration is the same."""
    rules = load_ruleset([folder], embedded=False)
    file = folder / name
    file.write_text(file.read_text() + "\n# another word\n")

    assert rules.is_outdated()


@pytest.mark.parametrize("name", ["new.toml", "more/two.conf"])
def test_a_new_file_is_a_change(folder: Path, name: str) -> None:
    """In a directory, or one that an `Include` finds."""
    rules = load_ruleset([folder], embedded=False)
    (folder / name).write_text("")

    assert rules.is_outdated()


def test_a_file_that_is_gone_is_a_change(folder: Path) -> None:
    """The loader then says so."""
    rules = load_ruleset([folder], embedded=False)
    (folder / "patches.toml").unlink()

    assert rules.is_outdated()


def test_what_is_included_has_to_be_there_unless_it_is_optional(tmp_path: Path) -> None:
    """As Debian's owasp-crs.load has it: the rules, and the operator's own files if he has any."""
    main = tmp_path / "main.load"
    main.write_text("IncludeOptional own.conf\nInclude lost.conf\n")

    with pytest.raises(RuleError) as refused:
        load_ruleset([main], embedded=False)

    assert refused.value.problems == [f"{main}:2: Include lost.conf: no such file"]
    main.write_text("IncludeOptional own.conf\n")
    (tmp_path / "own.conf").write_text('SecRule ARGS "@rx x" "id:1,phase:2,deny"\n')
    assert [rule.id for rule in load_ruleset([main], embedded=False).rules] == [1]
