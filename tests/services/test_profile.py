"""What is shown of an account."""

from services.profile import profile


def test_a_profile_names_the_account_and_its_picture() -> None:
    """The phone draws exactly this."""
    assert profile(2) == {
        "pk": 2,
        "username": "grace",
        "full_name": "Grace Hopper",
        "is_private": False,
        "is_verified": True,
        "profile_pic_url": "/media/p2",
    }
    assert profile(9)["is_verified"] is False
