"""The auction behind the advertisements."""

from services.ads.auction import ADVERTISERS, run


def test_the_winner_pays_what_the_next_one_bid() -> None:
    """Second price: prices fall with the places, and nobody wins twice."""
    won = run(2026, account=1, hour=100, slots=4)

    prices = [ad.price_micros for ad in won]
    assert prices == sorted(prices, reverse=True)
    assert len({ad.advertiser for ad in won}) == 4


def test_the_hour_and_the_account_change_who_wins() -> None:
    """Two phones see different ads; one phone sees the same ones within the hour."""
    assert run(2026, 1, 100, 2) == run(2026, 1, 100, 2)
    assert len({tuple(run(2026, account, 100, 2)) for account in range(1, 20)}) > 5
    assert len({tuple(run(2026, 1, hour, 2)) for hour in range(20)}) > 5


def test_there_are_never_more_places_than_payers() -> None:
    """The last one has nobody below to set the price."""
    assert len(run(2026, 1, 1, 100)) == len(ADVERTISERS) - 1
