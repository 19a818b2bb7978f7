"""A page of the feed."""

from typing import Any

from services.feed.compose import AD_PLACES, SUGGESTIONS_PLACE, by_model, by_recency, items, media
from services.posts import Posts

NOW = 1_795_000_000
POSTS = Posts(2026)
WINDOW = POSTS.page(range(1, 20), (NOW, 0), 12)
ADS = [{"ad_id": "a"}, {"ad_id": "b"}, {"ad_id": "c"}]


def kinds(page: list[dict[str, object]]) -> list[str]:
    return [next(iter(item)) for item in page]


def test_ads_and_suggestions_stand_between_posts() -> None:
    """At their places, counted in posts; what does not fit is not shown."""
    page = items(by_recency(WINDOW), POSTS, NOW, ADS, [{"user": 1}])

    assert kinds(page).count("media_or_ad") == 12
    assert kinds(page).count("ad") == len(AD_PLACES)
    assert page[AD_PLACES[0]] == {"ad": {"ad_id": "a"}}
    assert kinds(page[:SUGGESTIONS_PLACE]).count("suggested_users") == 0
    assert kinds(page).count("suggested_users") == 1


def test_without_ads_and_suggestions_there_are_the_posts() -> None:
    """Degraded, not broken."""
    page = items(by_recency(WINDOW), POSTS, NOW, [], [])

    assert kinds(page) == ["media_or_ad"] * 12


def test_the_models_order_is_kept_and_nothing_is_lost() -> None:
    """A model that forgets posts or invents some costs the order, not the posts."""
    ranked: list[dict[str, Any]] = [
        {"id": WINDOW[5].media_id, "score": 1.0},
        {"id": "invented"},
        {"id": WINDOW[2].media_id},
    ]
    ranked.append({"id": WINDOW[5].media_id})

    order = [post for post, _ in by_model(WINDOW, ranked)]

    assert order[:2] == [WINDOW[5], WINDOW[2]]
    assert sorted(order) == sorted(WINDOW)


def test_a_post_says_what_the_phone_draws_and_why_it_is_here() -> None:
    """Pictures are asked for by the urls in here."""
    value = media(WINDOW[0], POSTS, NOW, {"score": 0.5, "why": {"recency": 0.5}})

    assert value["id"] == WINDOW[0].media_id
    assert value["image_versions2"]["candidates"][0]["url"] == f"/media/{WINDOW[0].media_id}"
    assert value["ranking"] == {"score": 0.5, "why": {"recency": 0.5}}
    assert "ranking" not in media(WINDOW[0], POSTS, NOW, None)
