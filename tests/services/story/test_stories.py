"""Stories come and go by the clock."""

from services.story.stories import LIFE_SLOTS, SLOT_S, reel, tray

NOW = 1_795_000_000
ALL = range(1, 200)


def test_a_story_lives_for_a_day_and_never_begins_in_the_future() -> None:
    """Yesterday's is gone without anybody deleting it."""
    items = [item for account in ALL for item in reel(2026, account, NOW)]

    assert items
    for item in items:
        assert NOW - LIFE_SLOTS * SLOT_S < item.taken_at <= NOW < item.expires_at
        assert item.expires_at - item.taken_at == LIFE_SLOTS * SLOT_S


def test_a_story_is_there_until_it_expires() -> None:
    """Both instances and each reload agree on it."""
    account = next(account for account in ALL if reel(2026, account, NOW))
    item = reel(2026, account, NOW)[0]

    assert item in reel(2026, account, item.taken_at)
    assert item in reel(2026, account, item.expires_at - 1)
    assert item not in reel(2026, account, item.expires_at)
    assert item not in reel(2026, account, item.taken_at - 1)


def test_a_reel_is_told_in_order_with_names_of_its_own() -> None:
    """The phone plays it from the first to the last."""
    for account in ALL:
        items = reel(2026, account, NOW)
        assert [item.taken_at for item in items] == sorted(item.taken_at for item in items)
        assert len({item.item_id for item in items}) == len(items)


def test_the_tray_shows_who_told_last() -> None:
    """Newest first, nobody without a story, not more than asked."""
    shown = tray(2026, ALL, NOW, 5)

    assert len(shown) == 5
    newest = [items[-1].taken_at for _, items in shown]
    assert newest == sorted(newest, reverse=True)
    assert tray(2026, [], NOW, 5) == []
