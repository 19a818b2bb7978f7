"""The page on routes tells the truth."""

import re
from pathlib import Path

import msgspec
import pytest

from edge.cli.app import WORDS
from edge.common.config import ClusterConfig, RouteConfig
from edge.common.config_file import parse
from edge.l7.stages.canary import FAILURES_MIN, SAMPLES_MIN, Z_STOP

PAGE = (Path(__file__).parents[2] / "docs" / "routing.md").read_text()
BASE = """
[[pop]]
name = "mumbai"
address = "127.0.1.1"
place = { north = 19, east = 73 }
[[limit]]
name = "source"
key = "source"
rate-per-s = 1
burst = 1
"""


@pytest.mark.parametrize("kind", [RouteConfig, ClusterConfig])
def test_every_key_has_its_line(kind: type[msgspec.Struct]) -> None:
    """A key that nobody can find was written for nobody."""
    keys = {field.encode_name for field in msgspec.structs.fields(kind)}

    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def test_the_example_is_a_configuration() -> None:
    """Copied, it works."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    config = parse(BASE + example, "edge.toml", {}).config

    assert [route.mirror.cluster for route in config.route] == ["shop-next", ""]


def test_the_commands_exist() -> None:
    """Every `edge word` on the page is a word of the command line."""
    words = set(re.findall(r"`edge ([a-z-]+)", PAGE)) | set(
        re.findall(r"^edge ([a-z-]+)", PAGE, re.MULTILINE)
    )

    assert words - WORDS.keys() == set()
    assert len(words) > 10


def test_the_canarys_numbers_are_those_of_the_code() -> None:
    """A stated statistic is a promise."""
    assert f"z > {Z_STOP}" in PAGE
    assert f"from {SAMPLES_MIN} requests of each and {FAILURES_MIN} failures" in PAGE
