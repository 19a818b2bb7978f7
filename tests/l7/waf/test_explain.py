"""What the operator reads."""

import json
import tomllib

import pytest

from edge.l7.waf.audit import (
    audit_record,
    is_audit_record,
    match_record,
    redacted_target,
    without_secrets,
)
from edge.l7.waf.bodies import read_body
from edge.l7.waf.explain import HOW_TO_USE, OWN_DECISIONS, explain
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.native import parse_native
from edge.l7.waf.problem import Problems
from edge.l7.waf.request import Match, WafResponse
from edge.l7.waf.ruleset import Settings, assemble
from edge.l7.waf.sample import SampleError, parse_sample
from tests.l7.waf.samples import embedded, embedded_inspector, get, post


def record_of(target: bytes, client: str = "203.0.113.9") -> dict[str, object]:
    request = get(target)
    verdict = embedded_inspector().inspect_head(request, 0.0)
    return {**audit_record(verdict, request, request_id="r1"), "client": client}


def test_the_explanation_ends_in_an_exclusion_that_works() -> None:
    """The ready-made table is parsed and applied: the request then passes, and only that one."""
    target = b"/search?q=1%27%20or%20%271%27=%271"
    lines = explain(record_of(target))
    table = "\n".join(lines[lines.index("To let exactly this through:") + 2 :])
    problems = Problems()

    exclusion = parse_native(table.encode(), "x.toml", lambda name: b"", Settings(), problems)
    inspector = Inspector(assemble([*embedded().statements, *exclusion], Settings(), problems))

    assert inspector.inspect_head(get(target), 0.0).action == "pass"
    assert inspector.inspect_head(get(target.replace(b"q=", b"p=")), 0.0).action == "block"


def test_what_is_offered_for_an_answer_lets_that_answer_through() -> None:
    """And it is said that the service is meant, not the phone."""
    rule = (
        b'[[rule]]\nid = 7\naction = "block"\nphase = "answer"\ntargets = ["answer_body"]\n'
        b'match = {contains = "ORA-"}\nmsg = "A database\'s error"\n'
    )
    problems = Problems()
    rules = parse_native(rule, "r.toml", lambda name: b"", Settings(), problems)
    request, leak = get(b"/a"), WafResponse(200, "HTTP/1.1", (), b"ORA-00942")
    verdict = Inspector(assemble(rules, Settings(), problems)).inspect_answer(request, leak, 0.0)

    lines = explain(audit_record(verdict, request, request_id="r1"))
    table = "\n".join(lines[lines.index("To let exactly this through:") + 2 :])
    exclusion = parse_native(table.encode(), "x.toml", lambda name: b"", Settings(), problems)
    inspector = Inspector(assemble([*rules, *exclusion], Settings(), problems))

    assert lines[0].startswith("the answer to GET /a  ->  block (403)")
    assert inspector.inspect_answer(request, leak, 0.0).action == "pass"
    assert inspector.inspect_answer(get(b"/b"), leak, 0.0).action == "block"


def test_a_record_is_json_and_keeps_no_secret() -> None:
    """An audit log must not become the place where passwords are kept."""
    record = record_of(b"/?password=hunter2%27%20or%201=1--&q=%3Cscript%3E")

    line = json.dumps(record)

    assert "hunter2" not in line
    assert "<script" in line
    assert is_audit_record(json.loads(line))


def test_only_the_value_of_a_secret_field_is_hidden() -> None:
    """The rest of the target is what an operator compares with."""
    assert redacted_target(b"/a?q=1&api_key=abc&x=2") == "/a?q=1&api_key=[3]&x=2"


def test_a_curl_line_becomes_the_request_that_curl_would_send() -> None:
    """What people paste into a ticket."""
    head, body = parse_sample(b"curl -X PUT -H 'X-A: 1' -d 'a=1' --data b=2 'https://i.edge.test/p?q=1'")

    assert (head.method, head.target, body) == ("PUT", b"/p?q=1", b"a=1&b=2")
    assert (b"host", b"i.edge.test") in head.headers
    assert (b"content-length", b"7") in head.headers


@pytest.mark.parametrize(
    ("line", "method", "target", "body"),
    [
        (b"curl -sk -XDELETE --compressed https://i.edge.test/a", "DELETE", b"/a", b""),
        (
            b"curl -G https://i.edge.test/s --data-urlencode 'q=<b> c' -d x=1",
            "GET",
            b"/s?q=%3Cb%3E+c&x=1",
            b"",
        ),
        (b"curl -I i.edge.test/a", "HEAD", b"/a", b""),
        (b"curl --url=https://i.edge.test/a", "GET", b"/a", b""),
        (b"curl --json '{\"a\": 1}' https://i.edge.test/a", "POST", b"/a", b'{"a": 1}'),
        (b"curl https://i.edge.test/a \\\n  --data-raw @name", "POST", b"/a", b"@name"),
    ],
)
def test_options_mean_what_they_mean_to_curl(line: bytes, method: str, target: bytes, body: bytes) -> None:
    """Glued short ones, `--name=value`, -G; a line that is read wrongly tests another request."""
    head, sent = parse_sample(line)

    assert (head.method, head.target, sent) == (method, target, body)


def test_a_form_with_a_file_is_multipart() -> None:
    """The file's name is what rules look at; its bytes are not read from disk."""
    head, body = parse_sample(
        b"curl -u ada:x -F name=Ada -F 'pic=@/tmp/shell.php;type=image/png' i.edge.test/up"
    )

    read = read_body("MULTIPART", dict(head.headers)[b"content-type"], body)
    assert (read.error, read.arguments, read.files[0][:2]) == (
        "",
        [(b"name", b"Ada")],
        (b"pic", b"shell.php"),
    )
    assert dict(head.headers)[b"authorization"].startswith(b"Basic ")


@pytest.mark.parametrize("number", sorted(OWN_DECISIONS))
def test_no_exclusion_is_offered_where_none_would_help(number: int) -> None:
    """A body that cannot be read is refused by no rule; a table that changes nothing would cost an hour."""
    record = record_of(b"/?q=%3Cscript%3E")
    (first, *_) = record["matches"]  # type: ignore[misc]

    lines = explain(record | {"matches": [first | {"id": number}]})

    assert lines[-1] == OWN_DECISIONS[number]
    assert "[[exclude]]" not in "\n".join(lines)


def test_what_is_pasted_whole_is_still_a_rule_file() -> None:
    """The hint below the table is a comment, and so is the one for paths with an id."""
    lines = explain(record_of(b"/threads/17/items?q=<script>"))
    pasted = "\n".join(lines[lines.index("To let exactly this through:") + 1 :])

    (exclusion,) = tomllib.loads(pasted)["exclude"]

    assert exclusion["when"]["path"] == "/threads/17/items"
    assert 'path_prefix = "/threads/"' in pasted
    assert lines[-1] == HOW_TO_USE


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("https://ada:hunter2@10.0.0.1/x", "https://ada:[7]@10.0.0.1/x"),
        ("https://x/?token=hunter2&q=<script>", "https://x/?token=[7]&q=<script>"),
        ("next=/x%3Fpassword%3Dhunter2", "next=/x%3Fpassword%3D[7]"),
        ('{"api_key": "hunter2", "q": 1}', '{"api_key": "[7]", "q": 1}'),
        ('form-data; name="password"\r\n\r\nhunter2', 'form-data; name="password"\r\n\r\n[7]'),
        ("the password was lost; ask Ada", "the password was lost; ask Ada"),
        ("/?password=[7]&q=1", "/?password=[7]&q=1"),
    ],
)
def test_a_secret_inside_another_value_is_hidden(sent: str, kept: str) -> None:
    """A referer and a redirect's target are URLs with fields of their own."""
    assert without_secrets(sent) == kept


def test_a_secret_inside_a_whole_body_is_hidden_as_well() -> None:
    """A body that cannot be read is one value without a name; the password in it is one all the same."""
    match = Match(1, "", "", 5, 2, 1, "ARGS:json", b'{"password": "hunter2\' or 1=1', 0, (), (), "")

    assert "hunter2" not in str(match_record(match))


def test_a_secret_in_a_path_or_a_name_is_hidden() -> None:
    """JSON that is sent as a form is one name, and curl's `-d` says that it is a form."""
    in_path = record_of(b"/a;token=hunter2?q=<script>")
    body = b'{"password": "hunter2", "q": "<script>"}'
    verdict = embedded_inspector().inspect_body(post(body), body, 0.0)

    assert "hunter2" not in str(audit_record(verdict, post(body), request_id="a"))
    assert "hunter2" not in verdict.reason
    assert "hunter2" not in str(in_path["path"])
    assert "hunter2" not in str(record_of(b"/a;token=123456789hunter2%3Cscript%3E")["matches"])


def test_a_long_name_makes_no_long_record() -> None:
    """Sixty thousand bytes of it made four times as much, and seventy such requests a whole new log."""
    body = b"x" * 60_000 + b"<script>=1"
    verdict = embedded_inspector().inspect_body(post(body), body, 0.0)

    assert len(str(audit_record(verdict, post(body), request_id="a"))) < 16 * 1024
    assert len(verdict.reason) < 512


def test_raw_http_is_read_with_either_line_end() -> None:
    """Editors change them."""
    for end in (b"\r\n", b"\n"):
        head, body = parse_sample(end.join((b"POST /a b HTTP/1.1", b"Host: x", b"", b"hello")))
        assert (head.method, head.target, head.headers, body) == (
            "POST",
            b"/a b",
            ((b"host", b"x"),),
            b"hello",
        )


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense",
        b"curl -X POST",
        b"curl x -d @secret.txt",
        b"curl x -H",
        b"curl 'x",
        b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    """With a message, not a traceback."""
    with pytest.raises(SampleError):
        parse_sample(text)
