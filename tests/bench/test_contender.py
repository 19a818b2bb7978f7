"""What stays of a contender's configuration when the run is over."""

from pathlib import Path

from bench.contender import KEPT_BYTES_MAX, keep_configuration


def test_a_kept_configuration_names_no_place_of_this_machine(tmp_path: Path) -> None:
    """It is committed, and read by people who have other machines."""
    run, kept = tmp_path / "run", tmp_path / "kept"
    run.mkdir()
    (run / "command.txt").write_text(f"/home/ada/edge/.bench/bin/python {run}/x_proxy.py\n")

    keep_configuration(run, kept, {str(run): "/tmp/edge-bench", "/home/ada/edge/": ""})

    assert (kept / "command.txt").read_text() == ".bench/bin/python /tmp/edge-bench/x_proxy.py\n"


def test_a_program_is_kept_as_a_text(tmp_path: Path) -> None:
    """Else the rules for our own modules are asked about it."""
    (tmp_path / "aiohttp_proxy.py").write_text("import aiohttp\n")

    keep_configuration(tmp_path, tmp_path / "kept", {})

    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["aiohttp_proxy.py.txt"]


def test_of_a_long_file_the_beginning_is_kept_and_its_length_told(tmp_path: Path) -> None:
    """Ten thousand routes are one route and a number."""
    (tmp_path / "edge.toml").write_text("[[route]]\n" * KEPT_BYTES_MAX)

    keep_configuration(tmp_path, tmp_path / "kept", {})

    text = (tmp_path / "kept" / "edge.toml").read_text()
    assert text.startswith("[[route]]\n")
    assert text.endswith(f"# and so on: {10 * KEPT_BYTES_MAX:,} bytes\n")
    assert len(text) < KEPT_BYTES_MAX
