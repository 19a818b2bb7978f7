"""The three locks on the console."""

import pytest

from edge.console.guard import PAGE_POLICY, REPORT_POLICY, headers, hosts_of, refusal

HOSTS = hosts_of("127.0.0.1:9000")
OURS = {b"host": b"127.0.0.1:9000"}


def test_looking_needs_no_token() -> None:
    """Whoever may connect to loopback may see the picture."""
    assert refusal("GET", OURS, HOSTS, "secret") is None
    assert refusal("GET", {b"host": b"localhost:9000"}, HOSTS, "secret") is None


@pytest.mark.parametrize("host", [b"", b"evil.test", b"127.0.0.1", b"127.0.0.1:9001", b"evil.test:9000"])
def test_a_foreign_name_for_our_address_is_turned_away(host: bytes) -> None:
    """DNS rebinding: the attacker's page, the attacker's name, our loopback address."""
    refused = refusal("GET", {b"host": host}, HOSTS, "secret")

    assert refused is not None and refused[0] == 421


@pytest.mark.parametrize("token", [None, b"", b"Secret", b"secret "])
def test_changing_anything_needs_the_token(token: bytes | None) -> None:
    """In a header of its own, which no form of another page can send."""
    fields = OURS if token is None else {**OURS, b"edge-token": token}

    refused = refusal("POST", fields, HOSTS, "secret")

    assert refused is not None and refused[0] == 401
    assert refusal("POST", {**OURS, b"edge-token": b"secret"}, HOSTS, "secret") is None


@pytest.mark.parametrize(
    "fields",
    [
        {b"origin": b"http://evil.test"},
        {b"origin": b"null"},
        {b"origin": b"https://127.0.0.1:9000"},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
    ],
)
def test_another_page_gets_nothing_even_with_the_token(fields: dict[bytes, bytes]) -> None:
    """A token that leaked is no key for a script of somebody else's."""
    refused = refusal("POST", {**OURS, b"edge-token": b"secret", **fields}, HOSTS, "secret")

    assert refused is not None and refused[0] == 403


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs_inline() -> None:
    """What makes injected markup harmless."""
    assert "unsafe" not in PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY
    assert "script-src" not in REPORT_POLICY and "sandbox" in REPORT_POLICY
    assert not [name for name, _ in headers() if name.startswith(b"access-control")]
