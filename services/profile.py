"""What is shown of an account wherever it appears?"""

from typing import Any

from edge.common.people import full_name, username


def profile(account: int) -> dict[str, Any]:
    """The short form of a user, in Instagram's words."""
    return {
        "pk": account,
        "username": username(account),
        "full_name": full_name(account),
        "is_private": False,
        "is_verified": account <= 6,
        "profile_pic_url": f"/media/p{account}",
    }
