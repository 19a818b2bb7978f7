"""Transformations by name, and chains of them."""

from hypothesis import given
from hypothesis import strategies as st

from edge.l7.waf.transform import TRANSFORMS, pipeline_of


def test_a_length_is_a_text_as_well() -> None:
    """Rules compare it as a number."""
    assert TRANSFORMS["length"].apply(b"abc") == b"3"


@given(st.sampled_from(sorted(TRANSFORMS)), st.text(alphabet="%u&#x;\\/*.- 0fFacA+$\"'<", max_size=60))
def test_no_text_makes_a_transformation_fail(name: str, text: str) -> None:
    """What cannot be decoded stays; an exception would be a request that nobody inspects."""
    assert isinstance(TRANSFORMS[name].apply(text.encode()), bytes)


def test_multi_match_sees_every_stage_once() -> None:
    """A pattern that only fits the half-decoded text still gets its chance."""
    assert pipeline_of(("urldecodeuni", "lowercase")).stages(b"%41") == [b"%41", b"A", b"a"]


def test_any_chain_of_transformations_can_be_built() -> None:
    """A rule file with t:removeComments,t:trim once failed to load."""
    assert pipeline_of(("removecomments", "trim"))(b" a--b ") == b"a"
