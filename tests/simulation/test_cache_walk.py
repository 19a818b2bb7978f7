"""Random phones and a random service around the cache; replay a failure with SEED=..."""

import os
import random

from edge.l7.request import Request
from edge.l7.verdict import Answer, Wait
from tests.l7.cache.test_stage import UNIX, Phone, request

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
WALKS, STEPS = 60, 60
BYTES_MAX = 9000
# The longest that anything may be served: 5 s fresh, 3 s stale-while-revalidate or 2 s on error or by
# request, and twice that where an old age was confirmed by a 304 in between.
AGE_MAX_S = 20.0

RESPONSES = (
    b"max-age=5", b"max-age=0", b"no-store", b"private", b"no-cache", b"max-age=3, must-revalidate",
    b"s-maxage=2", b"max-age=1, stale-while-revalidate=3", b"public", b"max-age=4, stale-if-error=2",
)  # fmt: skip
ASKED: tuple[dict[str, bytes], ...] = (
    {}, {}, {"cache_control": b"no-cache"}, {"cache_control": b"max-age=1"},
    {"cache_control": b"max-stale=2"}, {"cache_control": b"only-if-cached"}, {"cache_control": b"no-store"},
    {"range": b"bytes=0-1"}, {"if_none_match": b'"1"'}, {"cookie": b"a=1"}, {"x": b"1"}, {"x": b"2"},
)  # fmt: skip


def test_whatever_happens_nothing_forbidden_or_too_old_is_served() -> None:
    """What the service last forbade to keep is never served, and the books always balance."""
    dice = random.Random(SEED)
    for walk in range(WALKS):
        try:
            _walk(dice)
        except AssertionError as error:
            raise AssertionError(f"SEED={SEED}, walk {walk}: {error}") from error


def _walk(dice: random.Random) -> None:
    phone = Phone(bytes_max=BYTES_MAX, variants_max=3, stale_if_error_s=2.0)
    truth: dict[tuple[str, bytes | None], tuple[bytes, float]] = {}
    for _ in range(STEPS):
        phone.now += dice.choice([0.0, 0.5, 1.0, 3.0])
        path, method = (
            dice.choice(["/a", "/b", "/varied"]),
            dice.choice(["GET", "GET", "GET", "HEAD", "POST"]),
        )
        asked = request(path, method, **dice.choice(ASKED))
        variant = (path, asked.header(b"x") if path == "/varied" else None)
        verdict = phone.ask(asked)
        if isinstance(verdict, Wait):
            verdict = phone.ask(asked)
        assert not isinstance(verdict, Wait), "who has waited once goes alone"
        if isinstance(verdict, Answer) and verdict.status != 504:
            said, since = truth[variant]
            assert said not in (b"no-store", b"private"), f"{variant} was served, and is {said!r}"
            assert phone.now - since <= AGE_MAX_S, f"{variant} is {phone.now - since} s old"
        elif asked.fetch is not None:
            told = _serve(phone, asked, dice)
            if told is not None:
                truth[variant] = (told, phone.now)
        store = phone.cache.store
        held = [entry.size for shelf in store._shelves.values() for entry in shelf.variants]
        assert (store.bytes, len(store)) == (sum(held), len(held))
        assert store.bytes <= BYTES_MAX
    assert not phone.cache._flights, "a flight was forgotten in the air"


def _serve(phone: Phone, asked: Request, dice: random.Random) -> bytes | None:
    """The service answers, or does not; what it said, where that replaces what it said before."""
    assert asked.fetch is not None
    if dice.random() < 0.15:
        asked.fetch.failed(phone.now, UNIX)
        asked.fetch.end(False, phone.now, UNIX)
        return None
    said, status = dice.choice(RESPONSES), dice.choice([200, 200, 200, 404, 503, 304, 206])
    fields = [(b"cache-control", said), (b"etag", b'"%d"' % dice.randint(1, 2))]
    if asked.path == "/varied":
        fields.append((b"vary", b"x"))
    body = b"z" * dice.choice([1, 500, 3000])
    ours = phone.serve(asked, tuple(fields), status=status, body=body, complete=dice.random() < 0.9)
    covered = ours is not None and status != 304
    forbids = said in (b"no-store", b"private")
    # An error, a part, or a head says nothing about what was kept before.
    aside = forbids and (status in (503, 206, 304) or asked.method == "HEAD")
    return None if covered or aside or asked.method == "POST" else said
