"""How hard do property tests look?

`make check` is run before each commit and has to be quick: a tenth of the
examples.  `make test` and CI set EDGE_TESTS=thorough.
"""

import os

THOROUGH = os.environ.get("EDGE_TESTS") == "thorough"


def examples(number: int) -> int:
    """`number` of examples where time is allowed, else a tenth of them."""
    return number if THOROUGH else max(5, number // 10)
