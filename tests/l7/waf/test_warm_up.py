"""The requests that the rules are warmed up with."""

from edge.l7.waf.warm_up import warm_up_requests


def test_they_are_of_every_kind() -> None:
    """Short and long, with and without each kind of body: what is compiled lazily is compiled by them."""
    requests = warm_up_requests()
    kinds = {dict(head.headers).get(b"content-type", b"").split(b";")[0] for head, _ in requests}

    assert kinds >= {b"", b"application/json", b"multipart/form-data", b"application/x-www-form-urlencoded"}
    assert any(len(head.target) > 1024 for head, _ in requests)
    assert any(body is not None and len(body) > 1024 for _, body in requests)
