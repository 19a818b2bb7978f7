"""Joined values become what each of them would become."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.outcomes import Outcomes
from edge.l7.waf.searchable import SEPARATOR
from edge.l7.waf.transform import TRANSFORMS, pipeline_of
from tests.kit.effort import examples

PIECES = [
    b"%41", b"%2e", b"%1e", b"%1f", b"+", b"&lt;", b"&#x1e;", b"&colon;", b"\\x1e", b"\\u003c", b"\\", b"/*",
    b"*/", b"./", b"//", b"/..", b" ", b"\t", b"\n", b"\0", b"\xc3\xa9", b"\x1e", b"\x1f", b"\x1e\n", b"A",
    b"b", b"-", b"#", b"${", b"$IFS", b"}", b"'", b";", b"0x41", b"QUJD", b"<!--", b"--",
]  # fmt: skip
VALUE = st.lists(st.sampled_from(PIECES) | st.binary(max_size=2), min_size=1, max_size=5).map(b"".join)
CHAIN = st.lists(st.sampled_from(sorted(TRANSFORMS.keys() - {"none"})), max_size=5).map(tuple)


def made_by(names: tuple[str, ...], value: bytes) -> bytes:
    """The slow way.  A lone dot is a path that vanishes when it is normalised; the prefilter lets it stand,
    because no pattern that it knows matches nothing at all."""
    for name in names:
        if not (name.startswith("normali") and value == b"."):
            value = pipeline_of((name,))(value)
    return value


@settings(max_examples=examples(1500), deadline=None)
@given(st.lists(CHAIN, min_size=1, max_size=4), st.lists(VALUE, min_size=1, max_size=4))
def test_every_pattern_gets_the_text_that_its_chain_makes(
    chains: list[tuple[str, ...]], values: list[bytes]
) -> None:
    """One text that is missing is one attack that passes."""
    outcomes = Outcomes()
    for number, names in enumerate(chains):
        outcomes.plant(number, names, every_stage=False)

    texts = outcomes.of(values)

    for number, names in enumerate(chains):
        made = SEPARATOR.join(made_by(names, value) for value in values)
        assert made in texts, (names, made)
        assert any(number in members for members in texts[made])


@settings(max_examples=examples(500), deadline=None)
@given(CHAIN, st.lists(VALUE, min_size=1, max_size=3))
def test_with_every_stage_each_of_them_is_there(names: tuple[str, ...], values: list[bytes]) -> None:
    """What ModSecurity calls multiMatch."""
    outcomes = Outcomes()
    outcomes.plant(0, names, every_stage=True)

    texts = outcomes.of(values)

    for length in range(len(names) + 1):
        assert SEPARATOR.join(made_by(names[:length], value) for value in values) in texts


def test_ordinary_text_becomes_few_texts() -> None:
    """Where there is nothing to decode, decoders are not even called."""
    outcomes = Outcomes()
    outcomes.plant(0, ("urldecodeuni", "htmlentitydecode", "jsdecode", "lowercase"), every_stage=False)
    outcomes.plant(1, ("utf8tounicode", "urldecodeuni", "lowercase"), every_stage=False)

    assert outcomes.of([b"Hello", b"w"]) == {b"hello\x1e\nw": [frozenset({0, 1})]}
    assert len(outcomes.of([b"Hello", b"%57"])) == 1
