"""Where do the rules come from, and are they all usable?  [I/O]

Reads rule files, resolves `Include` and data files, and gives everything to the two front ends.  All problems
of all files are raised together."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from edge.l7.waf.form import Place, Statement
from edge.l7.waf.native import parse_native, verdict_rules
from edge.l7.waf.problem import Problems
from edge.l7.waf.ruleset import RuleSet, Settings, assemble
from edge.l7.waf.seclang import SecLang
from edge.l7.waf.sources import Sources

# A rule file larger than this is no rule file.
FILE_BYTES_MAX = 8 << 20
INCLUDE_DEPTH_MAX = 8

EMBEDDED = Path(__file__).parent / "rules"


def load_ruleset(
    sources: Sequence[str | Path] = (), settings: Settings | None = None, *, embedded: bool = True
) -> RuleSet:
    """Load files and directories (`*.toml`, `*.conf`), the embedded rules first.  Raises `RuleError` with
    every problem.

    In a directory, `crs-setup.conf` comes first, then `rules/` or the directory itself, by file name.
    """
    problems = Problems()
    chosen = settings or Settings()
    reader = _Reader(problems, chosen)
    statements: list[Statement] = []
    # Native rules come first and bring their own verdict, so a virtual patch acts before anything generic.
    for source in ([EMBEDDED] if embedded else []) + [Path(source) for source in sources]:
        statements += reader.source(source)
    native = [one for one in statements if reader.is_native(one)]
    others = [one for one in statements if not reader.is_native(one)]
    rules = assemble(native + (verdict_rules(chosen) if native else []) + others, chosen, problems)
    return replace(rules, is_outdated=reader.sources.changed)


class _Reader:
    def __init__(self, problems: Problems, settings: Settings) -> None:
        self._problems = problems
        self._settings = settings
        self._native: set[int] = set()
        self._seclang = SecLang(problems)
        self._depth = 0
        self.sources = Sources()

    def is_native(self, statement: Statement) -> bool:
        """Whether a native file said this."""
        return id(statement) in self._native

    def source(self, path: Path) -> list[Statement]:
        if not path.exists():
            self._problems.error(Place(str(path), 0), "no such file or directory")
            return []
        out: list[Statement] = []
        for file in self.sources.listed(partial(rule_files, path)) if path.is_dir() else [path]:
            out += self._file(file)
        return out

    def _file(self, file: Path) -> list[Statement]:
        try:
            if file.stat().st_size > FILE_BYTES_MAX:
                self._problems.error(Place(str(file), 0), f"larger than {FILE_BYTES_MAX} bytes")
                return []
            text = self.sources.read(file)
        except OSError as error:
            self._problems.error(Place(str(file), 0), error.strerror or "cannot be read")
            return []
        folder = file.parent

        def include(pattern: str, place: Place, is_needed: bool) -> list[Statement]:
            if self._depth >= INCLUDE_DEPTH_MAX:
                self._problems.error(place, "Include nested too deep")
                return []
            self._depth += 1
            base, glob = os.path.split(pattern)
            out: list[Statement] = []
            found = self.sources.listed(lambda: sorted((folder / base).glob(glob))) if glob else []
            if not found and is_needed and "*" not in pattern:
                self._problems.error(place, f"Include {pattern}: no such file")
            for one in found:
                out += self._file(one)
            self._depth -= 1
            return out

        def read(name: str) -> bytes:
            return self.sources.read(folder / name)

        if file.suffix == ".toml":
            found = parse_native(text, str(file), read, self._settings, self._problems)
            self._native.update(id(statement) for statement in found)
            return found
        return self._seclang.parse(text, str(file), read, include)


def rule_files(directory: Path) -> list[Path]:
    """The rule files of a directory in the order in which they take effect."""
    setup = [
        path
        for path in (directory / "crs-setup.conf", directory / "rules" / "crs-setup.conf")
        if path.is_file()
    ]
    rules = directory / "rules" if (directory / "rules").is_dir() else directory
    every = sorted(
        path for path in rules.iterdir() if path.suffix in {".conf", ".toml"} and path not in setup
    )
    return setup + every
