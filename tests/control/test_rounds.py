"""Questions to many, gathered in time."""

import trio

from edge.control.rounds import Rounds


async def test_all_answers_end_the_round_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """Nobody waits for the timeout when everybody has spoken."""
    rounds = Rounds()
    asked: list[tuple[str, str]] = []

    def send(name: str, number: str) -> None:
        asked.append((name, number))
        rounds.reply(number, name, name.upper())

    replies = await rounds.gather(["b", "a"], send, timeout_s=60.0)

    assert replies == {"a": "A", "b": "B"}
    assert [name for name, _ in asked] == ["a", "b"]
    assert trio.current_time() < 1.0


async def test_who_stays_silent_is_missing_and_no_more(autojump_clock: trio.testing.MockClock) -> None:
    """A frozen process delays a trace; it does not prevent it."""
    rounds = Rounds()

    def send(name: str, number: str) -> None:
        if name == "a":
            rounds.reply(number, name, 1)

    replies = await rounds.gather(["a", "b"], send, timeout_s=3.0)

    assert replies == {"a": 1}


async def test_an_answer_after_the_end_is_dropped() -> None:
    """Late answers must not leak memory or surprise a later round."""
    rounds = Rounds()
    numbers: list[str] = []
    await rounds.gather(["a"], lambda name, number: numbers.append(number), timeout_s=0.0)

    rounds.reply(numbers[0], "a", "late")

    assert await rounds.gather([], lambda name, number: None, timeout_s=1.0) == {}
