"""What `edge ban` lists."""

from edge.cli.ban_report import rows


def test_the_ban_that_ends_first_stands_first_and_spent_ones_do_not_stand_at_all() -> None:
    """An operator wants to know who comes back when."""
    bans = [
        {"network": "203.0.113.0/24", "until_unix": 160.0, "reason": "by hand"},
        {"network": "127.66.1.1", "until_unix": 130.4, "reason": "waf", "by": "l7-mumbai-2"},
        {"network": "127.66.1.2", "until_unix": 99.0, "reason": "waf", "by": "l7-mumbai-2"},
    ]

    assert rows(bans, 100.0) == [
        ("127.66.1.1", "30s", "waf", "l7-mumbai-2"),
        ("203.0.113.0/24", "60s", "by hand", "an operator"),
    ]
