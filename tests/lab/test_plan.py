"""The labs' files."""

from pathlib import Path

import pytest

from edge.common.config_file import load as load_config
from edge.common.errors import ConfigError
from edge.lab.plan import identifier, parse

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "labs").glob("*.toml"))

GOOD = """
title = "t"
question = "q"
watch-for = ["w"]
learn = ["l"]
[predict]
ask = "a"
answer = "edge.phones.p95_ms"
[[load]]
name = "phones"
[[expect]]
that = "edge.phones.errors == 0"
because = "b"
"""


def test_a_minimal_lab_is_a_lab() -> None:
    """Everything that can have a default has one."""
    lab = parse(GOOD, "good")

    assert lab.variant[0].name == "edge"
    assert lab.seconds() > 0


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (('that = "edge.phones.errors == 0"', 'that = "edge.people.errors == 0"'), "no load"),
        (('answer = "edge.phones.p95_ms"', 'answer = "edge.phones.p95"'), "no metric"),
        (('name = "phones"', 'name = "phones"\nkind = "cars"'), "kind"),
        (('name = "phones"', 'name = "phones"\nonly = ["other"]'), "no variant"),
        (("[[expect]]", '[[load]]\nname = "phones"\n[[expect]]'), "two loads"),
        (("[[expect]]", '[[window]]\nname = "w"\nfrom-s = 3\nuntil-s = 2\n[[expect]]'), "before it begins"),
        (('name = "phones"', 'name = "phones"\nkind = "syn-flood"'), "must not leave the lab"),
        (("[[expect]]", '[[variant]]\nname = "edge"\nkernel = { x = 1 }\n[[expect]]'), "own-network"),
        (('title = "t"', 'title = "t"\nsurprise = 1'), "surprise"),
        (('title = "t"', "title = "), "labs"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], hint: str) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(*change), "labs/bad.toml")

    assert hint in str(caught.value)


def test_different_phones_may_share_a_name_in_different_variants() -> None:
    """What is compared is called the same, and a column says which variant it means, also twice."""
    text = GOOD.replace("edge.phones", "kept.phones").replace(
        "[[expect]]",
        """only = ["kept"]
[[load]]
name = "phones"
connection = "new"
only = ["fresh"]
[[variant]]
name = "kept"
[[variant]]
name = "fresh"
[[column]]
title = "share"
of = "{v}.phones.ok / {v}.phones.sent"
[[expect]]""",
    )

    lab = parse(text, "good")

    assert [load.connection for load in lab.loads_of("fresh")] == ["new"]
    assert lab.column[0].of_variant("fresh") == "fresh.phones.ok / fresh.phones.sent"


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_a_lab_of_ours_is_sound(path: Path) -> None:
    """It parses, its edge's configuration is valid in every variant, and the code it points at exists."""
    lab = parse(path.read_text(), path.name)

    config = ROOT / lab.config if lab.config == "edge.toml" else ROOT / "labs" / "config" / lab.config
    for variant in lab.variant:
        settings = {name: str(value).lower() if isinstance(value, bool) else str(value)
                    for name, value in {**lab.set, **variant.set}.items()}  # fmt: skip
        load_config(config, settings)
    for place in lab.code:
        assert (ROOT / place.partition(":")[0]).exists(), f"{place} has moved"
    assert lab.expect
    assert lab.learn


def test_every_lab_fits_into_the_promised_time() -> None:
    """`edge lab run all` takes under 25 minutes; starting and stopping an edge takes about six seconds."""
    labs = [parse(path.read_text(), path.name) for path in LABS]

    total_s = sum(lab.seconds() + 6 * len(lab.variant) for lab in labs)

    assert len(labs) >= 20
    assert total_s < 25 * 60


def test_hyphens_become_identifiers() -> None:
    """Names are kebab-case in files and snake_case in expressions."""
    assert identifier("least-connections") == "least_connections"
