"""What can be wrong with a rule file, and how is it reported?

All problems of all files are collected and raised together, each with file and
line: an operator fixes a list, not a sequence of surprises.
"""

from edge.common.errors import ConfigError
from edge.l7.waf.form import Place


class RuleError(ConfigError):
    """The rules cannot be used.  `problems` holds every reason as "file:line: text"."""


class Problems:
    """Collects what is wrong (`errors`) and what is merely worth knowing (`notes`)."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = []

    def error(self, place: Place, text: str) -> None:
        """Something that makes the rules unusable."""
        self.errors.append(f"{place}: {text}")

    def note(self, place: Place, text: str) -> None:
        """Something left out on purpose, so that it is never silent."""
        self.notes.append(f"{place}: {text}")

    def raise_if_any(self) -> None:
        """Raise one `RuleError` with every error so far."""
        if self.errors:
            raise RuleError(self.errors)
