"""The hub's diary."""

from edge.control.journal import ENTRIES_MAX, Journal


def test_a_reader_gets_what_came_after_its_last_entry() -> None:
    """So a page can poll without seeing anything twice."""
    journal = Journal()
    for number in range(3):
        journal.add(float(number), "member.join", f"feed-{number}", "")

    assert [entry["name"] for entry in journal.entries(after=1)] == ["feed-1", "feed-2"]


def test_the_oldest_entries_are_forgotten() -> None:
    """A month of restarts costs no more than a day of them."""
    journal = Journal()
    for number in range(ENTRIES_MAX + 5):
        journal.add(0.0, "ban", str(number), "")

    assert len(journal.entries()) == ENTRIES_MAX
    assert journal.entries()[0]["number"] == 6
