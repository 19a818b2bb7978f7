"""Reading bodies as the application will, or not at all."""

from collections import Counter
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.bodies import ARGUMENTS_MAX, processor_for, read_body, urlencoded
from tests.kit.effort import examples

FORM = b"multipart/form-data; boundary=XX"
FIELD = b'Content-Disposition: form-data; name="a"'


def part(headers: bytes, content: bytes = b"hello") -> bytes:
    return b"--XX\r\n" + headers + b"\r\n\r\n" + content + b"\r\n--XX--\r\n"


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"application/x-unheard-of", b"application/ld+yaml"])
def test_a_body_of_no_known_kind_is_one_value(kind: bytes) -> None:
    """And what it would be for the many applications that read JSON whatever the type says."""
    read = read_body(processor_for(kind), kind, b'{"q": "\\u003cscript>"}')

    assert read.arguments == [(b"body", b'{"q": "\\u003cscript>"}'), (b"json.q", b"<script>")]


def test_a_body_without_a_type_may_be_a_form() -> None:
    """Rack reads it as one."""
    assert (b"q", b"<script>") in read_body("", b"", b"a=1&q=%3Cscript%3E").arguments
    assert read_body("", b"text/plain", b"a=1&q=%3C").arguments == [(b"body", b"a=1&q=%3C")]


def test_any_multipart_body_with_fields_is_read_as_a_form() -> None:
    """Some uploaders look for `multipart/` only."""
    kind = b"multipart/mixed; boundary=XX"

    assert (b"a", b"hello") in read_body(processor_for(kind), kind, part(FIELD)).arguments
    assert read_body(processor_for(kind), kind, part(b"Content-Type: text/plain")).error == ""


def test_a_form_with_more_values_than_anybody_needs_is_refused() -> None:
    """The value behind the limit is read in one piece, which is not how the application reads it."""
    assert read_body("URLENCODED", b"", b"&".join([b"a=1"] * (ARGUMENTS_MAX + 1))).error
    assert not read_body("URLENCODED", b"", b"&".join([b"a=1"] * ARGUMENTS_MAX)).error


def test_a_form_is_decoded_once() -> None:
    """Twice would see attacks that the application never sees."""
    assert urlencoded(b"a=1&b=%2541+c&&d") == [(b"a", b"1"), (b"b", b"%41 c"), (b"d", b"")]


def test_arguments_past_the_limit_are_still_seen_as_one_value() -> None:
    """Otherwise the attack goes into argument 1,001."""
    pairs = urlencoded(b"&".join([b"a=1"] * ARGUMENTS_MAX) + b"&z=<script>&y=2")

    assert len(pairs) == ARGUMENTS_MAX + 1
    assert b"<script>" in pairs[-1][1]


def test_json_leaves_become_arguments_with_their_path() -> None:
    """Names are part of what a rule can exclude."""
    body = read_body("JSON", b"", b'{"a": {"b": ["x", 7, true, null]}}')

    assert body.error == ""
    assert body.arguments == [
        (b"json.a.b.0", b"x"),
        (b"json.a.b.1", b"7"),
        (b"json.a.b.2", b"true"),
        (b"json.a.b.3", b""),
    ]


@pytest.mark.parametrize(
    ("processor", "kind", "body"),
    [
        ("JSON", b"", b'{"a": 1, "a": 2}'),
        ("JSON", b"", b"[" * 200 + b"]" * 200),
        ("JSON", b"", b'{"a": NaN}'),
        ("JSON", b"", b'{"a": '),
        ("JSON", b"", b'"\xff"'),
        ("XML", b"", b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'),
        ("XML", b"", b"<a><b></a>"),
        ("XML", b"", b"<a>" * 100 + b"</a>" * 100),
        ("MULTIPART", b"multipart/form-data", b"--XX--"),
        ("MULTIPART", b"multipart/form-data; boundary=a; boundary=b", b"--a--"),
        ("MULTIPART", FORM, b"no boundary at all"),
        ("MULTIPART", FORM, part(b"Content-Type: text/plain")),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"; name="b"')),
        (
            "MULTIPART",
            FORM,
            part(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"'),
        ),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"').removesuffix(b"--XX--\r\n")),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"') + b"more"),
        ("MULTIPART", FORM, part(FIELD + b"; filename=\"me.png\"; filename*=UTF-8''shell.php")),
        # A program that does not know this spelling takes the part for a field.
        ("MULTIPART", FORM, part(FIELD + b"; filename*=UTF-8''me.png", b"<script>")),
        ("MULTIPART", FORM, part(FIELD + b"; name*=UTF-8''b")),
        ("MULTIPART", FORM, part(FIELD + b"\r\nContent-Transfer-Encoding: base64", b"PHNjcmlwdD4=")),
        (
            "MULTIPART",
            FORM,
            part(FIELD + b"\r\nContent-Type: text/plain; charset=utf-7", b"+ADw-script+AD4-"),
        ),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="_charset_"', b"utf-16")),
        ("JSON", b"", b'\xef\xbb\xbf{"a": 1}'),
        ("JSON", b"", b'{"a": 1, "\\u0061": 2}'),
        ("JSON", b"", b'{"a": 1} {"a": 2}'),
        ("XML", b"", b'<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>'),
    ],
)
def test_a_body_that_two_readers_could_read_in_two_ways_is_an_error(
    processor: str, kind: bytes, body: bytes
) -> None:
    """The difference between two readings is where attacks hide."""
    assert read_body(processor, kind, body).error


@pytest.mark.parametrize("empty", [b"{}", b"[]"])
def test_the_name_of_an_empty_json_value_is_seen(empty: bytes) -> None:
    """`{"$where": {}}` has no value, and the name does the harm."""
    read = read_body("JSON", b"", b'[{"<script>": %b}]' % empty)

    assert read.arguments == [(b"json.0.<script>", b"")]


@pytest.mark.parametrize(
    "headers",
    [
        FIELD + b"\r\n ;filename=x",  # folded: who reads line by line sees a field
        FIELD + b";\r\n filename=x",
        FIELD + b"; filename=a/b",  # no token: no file to formidable
        FIELD + b"; filename=a b",
        FIELD + b'; filename = "x"',
        FIELD + b'; Filename="x"',
        FIELD + b"; filename='x'",
        FIELD + b'; filename="x',
        FIELD + b' filename="x"',
        FIELD + b', filename="x"',
        b'Content-Disposition: form-data; name="a\\"; filename="b"',  # escaped, or not?
        b'Content-Disposition: form-data; name="\\"; x="; filename="f"',
        b'Content-Disposition: form-data; name="a\\\\"; filename="f"',
        b'Content-Disposition: attachment; name="a"; filename="f"',
        b'Content-Disposition: FORM-DATA; name="a"; filename="f"',
        FIELD + b'; filename="f"; filename="g"',
        FIELD + b"\r\nContent-Type: multipart/mixed; boundary=YY",
        FIELD + b"\r\nContent-Type: text/plain; charset=unicode_escape",
        FIELD + b"\r\nContent-Type: text/plain; charset*=utf-16''",
        FIELD + b"\r\nContent-Type: text/plain, text/html",
    ],
)
def test_a_part_that_may_be_a_file_to_us_and_a_field_to_others_is_an_error(headers: bytes) -> None:
    """The content of a file is not looked at."""
    assert read_body("MULTIPART", FORM, part(headers)).error


@pytest.mark.parametrize("behind", [b" ", b"\t", b"  \t", b"\r"])
def test_blanks_behind_a_boundary_are_an_error(behind: bytes) -> None:
    """To PHP such a line is content: our second part, a file, would be the end of its first, a field."""
    file = FIELD + b'; filename="f"'
    body = b"--XX\r\n" + FIELD + b"\r\n\r\nx\r\n--XX" + behind + b"\r\n" + file + b"\r\n\r\ny\r\n--XX--\r\n"

    assert read_body("MULTIPART", FORM, body).error


@pytest.mark.parametrize(
    ("disposition", "names"),
    [
        (
            b'form-data; name="photo"; filename="caf\xc3\xa9 %22 (1).png"',
            (b"photo", b"caf\xc3\xa9 %22 (1).png"),
        ),
        (b'form-data; name="tags[]"; filename="C:\\me.png"', (b"tags[]", b"C:\\me.png")),
        (b'form-data;name="a";filename="b"', (b"a", b"b")),
        (b"form-data; name=file; filename=me.png; filename*=utf-8''me.png", (b"file", b"me.png")),
    ],
)
def test_what_browsers_and_libraries_write_is_read(disposition: bytes, names: tuple[bytes, bytes]) -> None:
    """Firefox, an old Windows client, a terse one, .NET."""
    read = read_body("MULTIPART", FORM, part(b"Content-Disposition: " + disposition))

    assert (read.error, [pair[:2] for pair in read.files]) == ("", [names])


@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/form-data; boundary=XX; boundary*=utf-8''YY",
        b"multipart/form-data; boundary=XX; boundary*0=YY",
        b"multipart/form-data; xboundary=YY; boundary=XX",
        b"multipart/form-data; boundary=XX; BOUNDARY=YY",
        b"multipart/form-data, boundary=XX",
        b"multipart/form-data; boundary=XX, x",
        b"multipart/form-data; boundary='XX'",
        b'multipart/form-data; boundary="XX\\"',
        b'multipart/form-data; boundary="XX "',
        b"multipart/form-data; boundary=" + b"X" * 71,
        b"multipart/form-data boundary=XX",
    ],
)
def test_a_boundary_that_somebody_may_read_otherwise_is_an_error(kind: bytes) -> None:
    """Rack takes the last one, PHP the first that looks like one, Werkzeug the one with the star."""
    for boundary in (b"XX", b"X" * 71):
        assert read_body("MULTIPART", kind, part(FIELD).replace(b"XX", boundary)).error


def test_xml_between_two_tags_is_a_value_of_its_own() -> None:
    """A quote in an earlier element must not change how a later one reads."""
    read = read_body("XML", b"", b"<a><b>it's</b><c>1' or '1'='1</c><?php exit() ?><d>it's</d></a>")

    assert read.xml_texts == [b"it's1' or '1'='1it's", b"it's", b"1' or '1'='1", b"<?php exit() ?>"]
    assert read_body("XML", b"", b"<a>" + b"<b>x</b>" * (ARGUMENTS_MAX + 1) + b"</a>").error


def test_a_file_and_a_field_are_told_apart() -> None:
    """File contents are bytes for the service; their names are text for the rules."""
    body = part(
        b'Content-Disposition: form-data; name="up"; filename="me.png"\r\nContent-Type: image/png', b"\x89PNG"
    )

    read = read_body("MULTIPART", FORM, body)

    assert (read.error, read.arguments, read.files) == ("", [], [(b"up", b"me.png", 4)])
    assert (b"up", b"Content-Type: image/png") in read.part_headers


def test_a_file_without_a_name_is_a_field_as_well() -> None:
    """Programs disagree about `filename=""`; its content is looked at."""
    read = read_body("MULTIPART", FORM, part(FIELD + b'; filename=""', b"<script>"))

    assert read.arguments == [(b"a", b"<script>")]
    assert len(read.files) == 1


PIECES = [
    b"--XX", b"--XX--", b"--XX\t", b"--XXY", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", FIELD,
    b"; name=b", b'; name="c\\"d"', b"; filename=x", b"; filename*=a''b", b"Content-Type: text/plain",
    b" folded", b"hello", b"<script>", b'"', b";", b"\0",
]  # fmt: skip


@settings(max_examples=examples(1500), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_what_we_read_without_complaint_is_what_another_parser_reads(middle: bytes) -> None:
    """The standard library's mail parser stands for the application."""
    body = b"--XX\r\n" + FIELD + b"\r\n\r\nfirst\r\n--XX\r\n" + middle + b"\r\n--XX--\r\n"

    read = read_body("MULTIPART", FORM, body)

    if not read.error:
        message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + FORM + b"\r\n\r\n" + body)
        theirs = [
            (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
            for part in message.iter_parts()
        ]
        ours = [(name.decode(), content) for name, content in read.arguments]
        fields = {name for name, _, _ in read.files}
        assert [pair for pair in theirs if str(pair[0]).encode() not in fields] == [
            pair for pair in ours if pair[0].encode() not in fields
        ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(500), deadline=None)
@given(JSON_VALUES)
def test_every_string_of_a_json_body_is_seen(value: object) -> None:
    """Another reader's strings are all among our arguments, in order."""

    def strings(item: object) -> Iterator[bytes]:
        if isinstance(item, str):
            yield item.encode()
        for member in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            yield from strings(member)

    body = orjson.dumps(value)
    read = read_body("JSON", b"", body)

    assert read.error == ""
    assert Counter(strings(orjson.loads(body))) <= Counter(text for _, text in read.arguments)


def test_xml_text_and_attributes_are_seen() -> None:
    """Both reach the application."""
    read = read_body("XML", b"", b'<a x="1"><b y="2">hi</b> there</a>')

    assert (read.xml_text, read.xml_attributes, read.error) == (b"hi there", [b"1", b"2"], "")


@pytest.mark.parametrize(
    ("kind", "processor"),
    [
        (b"application/x-www-form-urlencoded; charset=utf-8", "URLENCODED"),
        (b"application/problem+json", "JSON"),
        (b"application/soap+xml", "XML"),
        (b"image/png", ""),
    ],
)
def test_the_content_type_chooses_the_reader(kind: bytes, processor: str) -> None:
    """By the type alone, never by sniffing."""
    assert processor_for(kind) == processor


@given(st.sampled_from(["JSON", "XML", "MULTIPART", "URLENCODED"]), st.binary(max_size=300))
def test_no_body_makes_a_reader_fail(processor: str, body: bytes) -> None:
    """An exception here would be a request without a verdict.  Rules get no more than came."""
    for sent in (b"--XX" + body, body):
        read = read_body(processor, FORM, sent)
        assert all(isinstance(part, bytes) for pair in read.arguments for part in pair)
        assert sum(len(value) for _, value in read.arguments) <= 3 * len(sent) + 8, "nothing is multiplied"


def test_a_string_without_an_end_is_read_once() -> None:
    """Looked for again from each of its quotes, 128 kB of them would hold the interpreter for a minute."""
    body = b"[" * 65 + b'"' + b'\\"' * 60_000

    assert read_body("JSON", b"application/json", body).error


def test_json_values_come_in_the_order_in_which_they_stand() -> None:
    """Named by their path, as rules and exclusions spell them."""
    body = b'{"a": [1, {"b": "x"}, "y", true, null], "c": {"d": 2.50}, "e": "z"}'

    assert read_body("JSON", b"application/json", body).arguments == [
        (b"json.a.0", b"1"), (b"json.a.1.b", b"x"), (b"json.a.2", b"y"), (b"json.a.3", b"true"),
        (b"json.a.4", b""), (b"json.c.d", b"2.50"), (b"json.e", b"z"),
    ]  # fmt: skip
