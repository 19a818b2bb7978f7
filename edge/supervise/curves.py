"""Let OpenSSL offer the curves that Mozilla recommends, and no others.  [I/O]

Python 3.11 can name one curve or leave OpenSSL its own list, which has X448 and
P-521 in it.  One curve would cost every phone that prefers another a round trip.
OpenSSL's own configuration can say it; but it is read once, when the library is
first used by anybody (`hashlib` is enough), so this has to come before all imports.

Whoever has set OPENSSL_CONF knows why, and keeps it.
"""

import os
from pathlib import Path

FILE = Path(__file__).with_name("curves.cnf")


def prefer() -> None:
    """For this process and those it forks; without effect once OpenSSL has been used."""
    os.environ.setdefault("OPENSSL_CONF", str(FILE))
