"""The rule by which ten thousand people have names and passwords."""

from hypothesis import given
from hypothesis import strategies as st

from edge.common.people import account_of, full_name, password, username


def test_the_first_six_are_called_by_their_names() -> None:
    """Every command line example and every lab logs in as one of them."""
    assert [username(account) for account in range(1, 7)] == [
        "ada",
        "grace",
        "linus",
        "radia",
        "vint",
        "sally",
    ]
    assert password(1) == "edge-ada"
    assert full_name(2) == "Grace Hopper"


@given(st.integers(min_value=1, max_value=10_000))
def test_a_name_leads_back_to_its_account(account: int) -> None:
    """Log-in gets a name and needs the account."""
    assert account_of(username(account), 10_000) == account


@given(st.text(max_size=20))
def test_any_other_text_is_nobody(name: str) -> None:
    """What a stranger types must neither raise nor find somebody by accident."""
    account = account_of(name, 10_000)

    assert account is None or username(account) == name


def test_an_account_beyond_the_last_does_not_exist() -> None:
    """The number of accounts is configuration."""
    assert account_of(username(101), 100) is None
    assert account_of("ada2", 100) is None  # 2 is grace
    assert account_of("grace٢", 100) is None  # an Arabic digit two
