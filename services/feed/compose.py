"""What does a page of the feed look like?

Puts together what the fan-out brought: ranked posts, advertisements between
them, a box of people one may know.  Whatever did not come in time is left out
and named in `degraded`; only the posts themselves are indispensable.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.posts import Post, Posts
from services.profile import profile

# After how many posts an advertisement stands, and the suggestions.
AD_PLACES = (3, 8)
SUGGESTIONS_PLACE = 6

Order = list[tuple[Post, Mapping[str, Any] | None]]  # a post, and why it stands there


def by_recency(window: Sequence[Post]) -> Order:
    """The order without a model: newest first, as the window came."""
    return [(post, None) for post in window]


def by_model(window: Sequence[Post], ranked: Sequence[Mapping[str, Any]]) -> Order:
    """The model's order; posts that it does not mention come last, newest first."""
    waiting = {post.media_id: post for post in window}
    order: Order = []
    for entry in ranked:
        post = waiting.pop(str(entry.get("id")), None)
        if post is not None:
            order.append((post, entry))
    return order + [(post, None) for post in waiting.values()]


def items(
    order: Order,
    posts: Posts,
    unix_now: int,
    ads: Sequence[Mapping[str, Any]],
    suggestions: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The page's items in the order in which they are shown."""
    shown: list[dict[str, Any]] = []
    waiting = list(ads)
    for place, (post, why) in enumerate(order):
        if place in AD_PLACES and waiting:
            shown.append({"ad": waiting.pop(0)})
        if place == SUGGESTIONS_PLACE and suggestions:
            shown.append({"suggested_users": {"suggestions": list(suggestions)}})
        shown.append({"media_or_ad": media(post, posts, unix_now, why)})
    return shown


def media(post: Post, posts: Posts, unix_now: int, why: Mapping[str, Any] | None) -> dict[str, Any]:
    """One picture, in Instagram's words; `ranking` is ours."""
    url = f"/media/{post.media_id}"
    likes = posts.likes(post, unix_now)
    value: dict[str, Any] = {
        "id": post.media_id,
        "pk": post.number,
        "taken_at": post.taken_at,
        "media_type": 1,
        "user": profile(post.author),
        "caption": {"text": posts.caption(post)},
        "like_count": likes,
        "comment_count": likes // 17,
        "has_liked": False,
        "image_versions2": {
            "candidates": [
                {"width": 640, "height": 640, "url": url},
                {"width": 320, "height": 320, "url": f"{url}?w=320"},
            ]
        },
    }
    if why is not None:
        value["ranking"] = {"score": why.get("score"), "why": why.get("why")}
    return value
