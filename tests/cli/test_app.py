"""The command line's table of words."""

import importlib

import pytest

from edge.cli.app import WORDS, build


@pytest.mark.parametrize("word", WORDS)
def test_every_word_leads_somewhere(word: str) -> None:
    """Words are imported only when used, so a renamed function would be noticed by a user first."""
    module, _, attribute = WORDS[word][0].partition(":")

    assert hasattr(importlib.import_module(module), attribute)


def test_help_says_what_each_word_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of bare words would send people to the documentation."""
    build()(["--help"], exit_on_error=False, result_action="return_value")

    shown = capsys.readouterr().out
    assert all(word in shown for word in WORDS)
    assert "every process: tier, POP, pid, state, load" in shown
