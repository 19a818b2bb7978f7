"""The rules that keep the house in order: who imports whom, and who touches the world."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "edge", "services", "loadtest")

MAY_IMPORT = {  # home -> the other homes of ours it may name
    # Starts the edge and asks it, as a person would; nobody imports it.
    "bench": {"edge.cli", "edge.common", "edge.l4", "edge.l7", "edge.phone", "edge.supervise"},
    "edge.common": set(),
    "edge.control": {"edge.common"},
    "edge.dns": {"edge.common"},
    "edge.l4": {"edge.common"},
    "edge.l7": {"edge.common"},
    "edge.phone": {"edge.common"},
    "edge.supervise": {"edge.common"},
    # The console shows traces and runs labs; it calls their pure models, never a tier.
    "edge.console": {"edge.common", "edge.lab", "edge.phone"},
    "edge.lab": {"edge.common", "edge.supervise"},
    "services": {"edge.common"},
    "loadtest": {"edge.common"},
}
# What reaches outside the process.
WORLD = {
    "trio", "socket", "ssl", "select", "subprocess", "threading", "gevent", "locust", "sqlite3", "signal",
    "tempfile", "shutil", "mmap", "fcntl", "ctypes", "multiprocessing", "http.client", "http.server",
    "urllib.request", "pathlib", "importlib",
}  # fmt: skip
# Clocks, dice and the environment: arguments, in pure code.
CHANCE = {"time", "random", "secrets", "uuid", "os"}
# Heavy, and for people only: never in a process that serves.
FACES = {"rich", "cyclopts"}


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def home_of(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "edge" and len(parts) > 1:
        return ".".join(parts[:2])
    return parts[0]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def does_io(tree: ast.Module) -> bool:
    docstring = ast.get_docstring(tree) or ""
    return docstring.split("\n", 1)[0].endswith("[I/O]")


def imported_by(tree: ast.Module) -> set[str]:
    """Absolute names of everything the module imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = {name_of(path): path for path in modules()}
TREES = {name: tree_of(path) for name, path in MODULES.items()}
SHELLS = {name for name, tree in TREES.items() if does_io(tree)}
TESTS = "\n".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")))


def test_the_walk_finds_the_house() -> None:
    """A rule that reads no file can't fail; this one would."""
    assert len(MODULES) > 40
    assert "edge.common.link_client" in SHELLS
    assert "edge.common.framing" in MODULES.keys() - SHELLS


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_keeps_the_rules(name: str) -> None:
    """One module, every rule; the message says which line of style it broke."""
    path = MODULES[name]
    tree = TREES[name]
    imported = imported_by(tree)
    roots = {module.split(".")[0] for module in imported} | (imported & WORLD)
    home = home_of(name)

    assert ast.get_docstring(tree), f"{name} opens with no docstring: which question does it answer?"
    if path.name == "__init__.py":
        assert len(tree.body) == 1, f"{name}: __init__.py holds a docstring only"
        return
    if home == "edge.__main__":  # three lines that call the command line
        return
    if home != "edge.cli":
        ours = {
            home_of(module) for module in imported if module.split(".")[0] in PACKAGES and module in MODULES
        }
        assert ours - {home, "edge"} <= MAY_IMPORT[home], f"{name} imports {ours - MAY_IMPORT[home] - {home}}"
        assert not roots & FACES, f"{name} imports {roots & FACES}, which belong to edge.cli"
    if home == "edge.cli":
        return
    shells = {module for module in imported if module in SHELLS}
    if does_io(tree):
        touches = roots & (WORLD | CHANCE) or shells
        assert touches, f"{name} is tagged [I/O] but touches nothing: drop the tag"
    else:
        assert not roots & (WORLD | CHANCE), (
            f"{name} is pure but imports {roots & (WORLD | CHANCE)}: bytes, times and dice are arguments"
        )
        assert not shells, f"{name} is pure but imports the shells {shells}"
    if home == "loadtest":
        theirs = {module for module in shells if home_of(module) != "loadtest"}
        assert not theirs, f"{name} runs under gevent and cannot use Trio's {theirs}"


@pytest.mark.parametrize("name", sorted(set(MODULES) - SHELLS))
def test_every_pure_module_has_its_test(name: str) -> None:
    """A pure module is cheap to test, so there is no excuse."""
    path = MODULES[name]
    if path.name in {"__init__.py", "__main__.py"} or home_of(name) == "edge.cli":
        return
    home, _, module = name.rpartition(".")
    named = f"from {name} import" in TESTS or f"import {name}" in TESTS
    assert named or (f"from {home} import" in TESTS and module in TESTS), f"no test imports {name}"
