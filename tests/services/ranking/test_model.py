"""The ranking model ranks, and can say why."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ranking.model import HALF_LIFE_S, VARIANTS, Candidate, Weights, rank

BALANCED = VARIANTS["balanced"]


def candidate(name: str, **fields: float) -> Candidate:
    author = zlib.crc32(name.encode()) % 1000
    values = {"author": author, "age_s": 3600.0, "likes": 10, "lingering": 0.5, "follows_back": False}
    return Candidate(name, **(values | fields))  # type: ignore[arg-type]


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        media_id=st.uuids().map(str),
        author=st.integers(1, 5),
        age_s=st.floats(-10, 1e7),
        likes=st.integers(-1, 10**7),
        lingering=st.floats(0, 1),
        follows_back=st.booleans(),
    ),
    max_size=12,
)


@given(CANDIDATES, st.sampled_from(sorted(VARIANTS)))
def test_everybody_is_ranked_once_by_falling_score_and_the_parts_add_up(
    candidates: list[Candidate], variant: str
) -> None:
    """Whoever asks why can add up the parts that were handed out."""
    ranked = rank(candidates, VARIANTS[variant])

    assert sorted(one.media_id for one in ranked) == sorted(one.media_id for one in candidates)
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    for one in ranked:
        assert one.score == pytest.approx((one.recency + one.affinity + one.popularity) * one.repeat)
        assert 0.0 <= one.score <= 1.0 + 1e-9


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate("new", age_s=60.0), candidate("old", age_s=86_400.0)),
        (candidate("friend", follows_back=True), candidate("stranger")),
        (candidate("watched", lingering=0.9), candidate("skipped", lingering=0.1)),
        (candidate("liked", likes=4000), candidate("ignored", likes=2)),
    ],
)
def test_each_feature_counts_in_its_direction(better: Candidate, worse: Candidate) -> None:
    """All else being equal."""
    assert [one.media_id for one in rank([worse, better], BALANCED)] == [better.media_id, worse.media_id]


def test_a_busy_author_makes_room_for_others() -> None:
    """Three pictures of one friend, and then somebody else's slightly worse one, is no feed."""
    busy = [candidate(f"busy{n}", author=1, likes=500 - n) for n in range(3)]
    other = candidate("other", author=2, likes=300)

    order = [one.media_id for one in rank([*busy, other], BALANCED)]

    assert order == ["busy0", "other", "busy1", "busy2"]


def test_recency_halves_every_half_life() -> None:
    """The number in the docstring is the number in the code."""
    only_recency = Weights(recency=1.0, affinity=0.0, popularity=0.0)
    (one,) = rank([candidate("a", age_s=HALF_LIFE_S)], only_recency)

    assert one.recency == pytest.approx(0.5)


def test_the_variants_weights_are_shares() -> None:
    """So scores of two variants can be compared on one chart."""
    for weights in VARIANTS.values():
        assert weights.recency + weights.affinity + weights.popularity == pytest.approx(1.0)
