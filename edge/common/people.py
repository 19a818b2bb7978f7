"""Who are the edge's accounts, and how do they log in?

Ten thousand people would be a file of their own, so they are a rule instead:
accounts 1 to 6 are ada, grace, linus, radia, vint and sally, and every later
account carries one of these names and its own number ("ada7", "grace8", ...).
A password is `edge-` and the user name.  The rule stands here, where the login
service, the phone and the load test can all read it; a lab whose passwords are
secret is a lab nobody can enter.
"""

FIRST_NAMES = ("ada", "grace", "linus", "radia", "vint", "sally")
FULL_NAMES = {
    "ada": "Ada Lovelace",
    "grace": "Grace Hopper",
    "linus": "Linus Torvalds",
    "radia": "Radia Perlman",
    "vint": "Vint Cerf",
    "sally": "Sally Floyd",
}


def username(account: int) -> str:
    """The user name of `account` (from 1)."""
    assert account >= 1, "accounts are numbered from 1"
    first = FIRST_NAMES[(account - 1) % len(FIRST_NAMES)]
    return first if account <= len(FIRST_NAMES) else f"{first}{account}"


def full_name(account: int) -> str:
    """What stands above the pictures of `account`."""
    name = FULL_NAMES[FIRST_NAMES[(account - 1) % len(FIRST_NAMES)]]
    return name if account <= len(FIRST_NAMES) else f"{name} {account}"


def password(account: int) -> str:
    """What `account` types when it logs in."""
    return f"edge-{username(account)}"


def account_of(name: str, accounts: int) -> int | None:
    """The account whose user name is `name`, None where there is none among the first `accounts`."""
    if name in FIRST_NAMES:
        account = FIRST_NAMES.index(name) + 1
    else:
        digits = name.lstrip("abcdefghijklmnopqrstuvwxyz")
        # isascii: str.isdigit also says yes to digits of other scripts, which int() reads.
        if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
            return None
        account = int(digits)
    if not 1 <= account <= accounts or username(account) != name:
        return None
    return account
