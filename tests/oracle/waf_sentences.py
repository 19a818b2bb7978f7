"""What people write: the requests that a firewall must let through.

Two sources.  `SENTENCES` were written by hand, each because something in it looks like the piece of an
attack to a filter that counts words: a quote, a SQL word, a command, a tag.  `sentence(seed, number)` makes
thousands more from a grammar of chats, captions, addresses, product titles, code talk, shell talk and other
languages.  Both are ours; nothing here was copied.  `manuals()` reads what happens to be installed on the
machine, which nobody wrote with a firewall in mind.
"""

import ast
import gzip
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.oracle.waf_grammar import phrase

SENTENCES = """
Select a plan from the list below and press Continue.
Please select all that apply (select one from the list if unsure).
Where can I select the union representative from?
Drop the table off at the back door; the truck leaves at 5.
We had to drop table 7 because the guests cancelled.
It was late; I'd hope; nobody came.
Tea & I'd say; coffee (mostly); I'd rather & you?
Insert the coin into slot 2, then delete the old receipts.
Update the set list: three songs from the union concert.
Order by phone or group by colour, whichever you like.
I'll join the group having 2 or 3 people in it.
It's either 1 or 2, not both -- trust me.
1 or 1, that is the question.
and 1 more thing: don't be late
The users' and admins' meeting is at 9 or 10 o'clock.
Rock 'n' roll isn't noise -- it's music.
"Yes" or "no"? He said "maybe" and left.
'Twas the night before Christmas; all was quiet.
O'Brien and D'Angelo don't like McDonald's, or so they say.
It's 5 o'clock somewhere #friday #weekend
5' 11" and 180 lbs, size 10 or 11
Is 2 > 1, and is 3 < 4? Of course: 1 = 1.
x = 1 or y = 2 makes the second lamp go on.
if a == b, the two lines are parallel; if not, they meet
If exist doubts, ask the teacher.
Add a WHERE clause to your SELECT and use LIMIT, the tutor wrote.
Having count twice, I'm sure there were 12 between us.
The DELETE key on my keyboard is broken, so is INSERT.
Table 4; chairs 16; plates 20 -- all set for Sunday
He executes the plan; call me when he's done.
; that was a semicolon by mistake
I found a dog; cat / dog pictures follow
we can do this or that; more / less, who knows
lost my keys; find me . - Ada
Thanks; select whichever you want.
Grant said: "merge into the left lane; update me later."
Sleep (8 hours) is underrated. I got sleep(5) on the phone's keyboard.
See sleep(3), fopen(3) and printf(3) in the manual.
The version (1.12) of the database (a copy) is from May.
Count (the vampire) was hex-agonal: hex (six).
Use lower() or upper() from the library; both return text.
My password isn't password, it's... well, I forgot.
The information desk has a schema of the building.
a || b is the same as b || a, said the logician
100% cotton, 50/50 mix, w/o zipper
50% off && free shipping!
Tom & Jerry; Ben & Jerry's; M&Ms
AT&T;T-Mobile;Vodafone
Bread | butter | jam | cat food
cat food & dog food; the cat is on the mat
Who is at home? Find me at the cafe, time permitting.
ping me later, or send mail; I'll top up my phone at the kiosk
The dog ate my homework; cat did it once too.
more or less; less is more
sort of nice; kind of cold; make it stop
echo park is lovely; sleep tight!
Use `ls -la` to list files and `git status` before every commit.
Run `make test` (or `npm test`) and read the log.
I typed cd /tmp and then rm on the wrong folder, sorry.
Edit /etc/hosts and /etc/ssh/sshd_config, then restart the service.
The file ~/.config/foo/settings.json is where it keeps its state.
see ../README and docs/faq.md for details...
He waited ... and waited ... and then / finally / left.
...and so it goes... Or does it?..
c:\\users\\ada is my home folder on Windows
Press Ctrl+C && Ctrl+V, simple as that
$5 or $10? I've got $20 (USD) & some change
Price: $ {ask us} per night
Hello ${name}, your order {order} has shipped.
Dear {{ first_name }}, welcome aboard!
Use {curly} braces, [square] brackets and (round) ones; <angle> ones too.
a < b and b > c, therefore a <3 you
I <3 this! >:( not that
<3 <3 <3
-> go left, => then right, <- and back
==> now leaving <==
--- cut here ---
#1 fan // not kidding /* well, a little */
C++ > C# (just kidding), but -- seriously -- try Rust.
What does [] == ![] give in JavaScript? And (!)?
console.log is my favourite debugger.
The fopen() function returns NULL on error.
Call setTimeout in the handler, then clear it on unload.
Our function takes a list (or a tuple) and returns a string.
Use eval only if you must; print what you get.
In Python, open a file with open, read it and close it.
Generator.__init__() and obj.__dict__ are explained in chapter 4.
The process.env object holds the environment; process.exit ends it.
java.util has maps; std::map has them as well.
By default the <object> element shows its fallback.
The <title> and the <body> of a page are different things.
Type: <string> | <number>
usage: tool [-f FILE] [-s SECONDS] <name> [<name> ...]
git clone the repository, make a branch and open a pull request
pip install edge, then run it
My favourite editor is vi; less is my pager.
The window.open question came up in the interview.
Alert: the confirm button is broken (again).
onload, onclick, onerror: three events that I mix up.
The style of the page = minimal, the font = serif.
script for the school play, act 2, scene 1
java script coffee script type script, all the same to me
JavaScript: The Definitive Guide
data: the new oil?
http://example.com/a?b=c&d=e#f is a link
https://www.example.org/shop/item.php?id=42&ref=mail&utm_source=x
Look at https://example.com/?q=it's+here and tell me.
Open http://localhost:8080 in your browser to see it.
ftp://ftp.example.org/pub/readme.txt is dead, isn't it?
mailto:ada@example.com or call +49 (0)30 123-456
Write to o'neil+news@example.co.uk or "Ada" <ada@example.com>
192.168.1.1 is my router, 127.0.0.1 is home
Meet at 10:30; bring ID & cash (no cards)
Flat 3/4, 12-14 King's Road, St. John's, NL A1B 2C3
221B Baker Street; London NW1; c/o Mrs. Hudson
Apt #5, 9th & Main, P.O. Box 10--11
Straße des 17. Juni 135, 10623 Berlin
12, rue de l'Église, 75015 Paris
{"name": "Ada", "tags": ["a", "b"], "ok": true}
[1, 2, 3] and {"a": 1}
key: value; other: 'quoted value'; last: null
id,name,city\\n1,"O'Hara",Cork
SKU-1042/B; size: M|L|XL; colour: black & white
Men's T-Shirt (Black) -- 2 for 1 -- Size: L/XL
15.6" Laptop, 8GB RAM, 256GB SSD, Win 11 (Refurb.) 'A' grade
iPhone 15 Pro Max 256GB -- Unlocked -- w/ Box & Cable
LEGO® 75192 & 10179 'Millennium' set; used, complete
Nike Air Max '97 – UK 9 / US 10 – NEW!!!
Shall I compare thee to a summer's day?
Two roads diverged; I took the one less travelled by, and that's that.
O Captain! my Captain! our fearful trip is done;
To be, or not to be: that is the question -- whether 'tis nobler...
So much depends / upon / a red wheel / barrow
**bold**, _italic_, `code` and ~~struck~~
# Heading\\n- item one\\n- item two\\n1. first
> quoted text\\n\\nmy answer: no.
[a link](https://example.com/path_(x)) and ![a picture](pic.png)
| a | b |\\n|---|---|\\n| 1 | 2 |
```js\\nlet x = 1;\\n```
lol ;-) :P >.< ^_^ (╯°□°)╯
brb!!! omg!!! sooo good!!!!!!!!!!!!
???? what ???? no way !!!!
:) or :( ? (y/n)
@ada @bob: dinner @ 8? #hungry #pizza
100 + 200 = 300; 7 * 6 = 42; 10 / 4 = 2.5; 2^10 = 1024
f(x) = x^2 + 2x + 1 where x >= 0
(a + b) * (a - b) = a^2 - b^2
50€ & up; £20 or less; ₹500 only
C'est l'été; j'ai dit « oui » ou « non », n'est-ce pas ?
L'avion d'Alice n'est pas là -- aujourd'hui, c'est grève.
¿Dónde está la biblioteca? ¡Aquí! O tal vez allí...
Das ist's: „ja“ oder „nein“ -- such dir's aus.
Wo ist der Bahnhof? Links; dann rechts & geradeaus.
Dov'è l'albergo? È lì, dietro l'angolo; un po' più in là.
Привет! Я думаю... Что случилось вчера? Ничего — или всё!
Ім'я користувача або адреса; дані за 2024 рік
你好，世界！今天是星期五（天气很好）。
東京で会いましょう！明日は１０時？「はい」
서울에서 만나요! '네' 또는 '아니요'
مرحبا! كيف حالك؟ 1 أو 2
שלום! מה שלומך?
नमस्ते! आप कैसे हैं? 5 या 6
Merhaba! Nasılsın? İyiyim, ya sen?
Zażółć gęślą jaźń -- czyli 'test' liter
Καλημέρα! Τι κάνεις; Καλά!
Xin chào! Bạn đi đâu đó?
Error 404: page '/a/b.html' not found on this server.
Traceback (most recent call last): File "a.py", line 3, in <module>
Segmentation fault (core dumped) at 0x7ff0006d0 -- help!
NullPointerException at com.example.Main.run(Main.java:42)
TypeError: x is not a function. (In 'x()', 'x' is undefined)
INFO 2024-05-01 12:00:00 user=ada action=login ok
commit 1a2b3c4 (HEAD -> main): Fix the thing; merge later
2.5.1-rc1 (2024-05-01): fixes #12, #13 and #14
libtiff!68, edge!7 and tools!12 are merged
The O(n log n) part is sort(); the O(n) part is the scan.
TODO: remove the hack in parse(), see issue #99; FIXME too
key-value stores, read-only views, copy-on-write, get-or-create, merge-file
Set the max_connections = 100 and precision = 3, then restart.
New option --disable-default-pie has been added to disable this behaviour.
Use --only=fast or --skip-online=yes; see --help.
You can't have your cake and eat it too; or can you?
and/or, either/or, his/her, w/ & w/o
1/2 cup sugar; 3/4 tsp salt; 350 F for 25-30 min
Vitamin C (1000 mg) & D3; take 1 or 2 daily with food
Ages 3+; 2-4 players; 30' per game
Flight LH 760 @ 23:55; gate B42; seat 12A or 14C
ISBN 978-3-16-148410-0; pp. 12--34; vol. 5 (2)
Art. 5 GG; § 823 BGB; Rev. 3; No. 7-b
""".strip().splitlines()

GRAMMAR: dict[str, list[str]] = {
    "sentence": [
        "{chat}", "{chat}", "{caption}", "{question}", "{statement}", "{statement}", "{address}", "{title}",
        "{code}", "{shell}", "{mail}", "{link}", "{sqlish}", "{quote}", "{list}", "{json}", "{maths}",
        "{foreign}", "{statement} {statement}", "{chat} {link}",
    ],
    "chat": [
        "{hi} {name}, {question}", "{word} {emoji} {emoji}", "lol {statement}", "{statement} {emoji}",
        "can't {verb} the {noun} rn, {verb} it l8r?", "who's {verb}ing the {noun} & the {noun}?",
        "{hi}!!! {noun} or {noun}?? {emoji}", "@{word} @{word} {question}", "it's {num} or {num}, isn't it",
    ],
    "hi": ["hi", "Hey", "hello", "Dear", "yo", "Good morning"],
    "emoji": ["😀", "👍", "<3", ":-)", ";)", ":P", "❤️", "xD", "^^", ">_<"],
    "caption": [
        "{noun} at the {noun} #{word} #{word}", "{name}'s {noun}, {num} {noun}s & a {noun}",
        "{noun} > {noun} {emoji}", "{statement} #{word}{num}",
    ],
    "question": [
        "where's the {noun}?", "did you {verb} the {noun}'s {noun}, or not?", "what is {num} + {num}?",
        "why does \"{noun}\" {verb} like that?", "is {num} < {num} or > {num}?",
        "who {verb}s and who doesn't?", "shall we {verb} {num} or {num} {noun}s?",
    ],
    "statement": [
        "The {noun} and the {noun} {verb} at {num}.", "I {verb} {num} {noun}s; {name} doesn't.",
        "{name}'s {noun} -- the {adj} one -- is {adj}.",
        "If the {noun} is {adj}, {verb} it; otherwise {verb} the {noun}.",
        "You can {verb} a {noun} (or {num}) from the {noun}.",
        "Between {num} and {num} {noun}s {verb} in the {noun}, where the {noun} = {adj}.",
        "It's {adj}, isn't it? \"{noun}\", said {name}.",
        "{name} and O'{name} {verb} the {noun} as {noun}, not {noun}.",
        "{noun}: {adj}; {noun}: {adj}; {noun}: {num}%.",
    ],
    "address": [
        "{num} {name} Street, Apt #{num}, {name}'s Corner",
        "{name} & Sons, c/o {name}, {num}-{num} {noun} Rd.", "{num}/{num} {noun} Lane; {name} {num}",
        "{name} O'{name}, 12 rue de l'{name}, {num} {name}",
    ],
    "title": [
        "{adj} {noun} ({num} pcs) -- {adj} / {adj}", "{num}\" {noun}, {num}GB, w/ {noun} & {noun}",
        "Men's {noun} '{num} | {adj} | size {num}", "{name}® {noun} {num}-in-{num}: {noun}, {noun} & {noun}",
        "[NEW] {adj} {noun} + {noun} = {num}% off!!!",
    ],
    "code": [
        "The {word}() function returns a {noun}.",
        "Use {word}.{word}() to {verb} the {noun}, then check {word}.", "In C++ `{word}::{word}` is {adj}.",
        "{word}={num} and {word}={num} in the {noun}", "call {word}(x, y) before {word}(z); see #{num}",
        "the `{word}` option -- see `{word} --{word}`", "Returns: <{word}> the {noun} or null.",
        "if {word} > {num} and {word} < {num} then {verb}", "a[{num}] = b[{num}] + {num}",
        "v{num}.{num}: fix {word} in {word}()", "I read {word}.{word} and it's {adj}.",
        "${word} is a {noun}, ${{{word}}} a {noun}", "The <{noun}> tag is {adj}; {{{word}}} isn't.",
        "{word}|{word}|{word}",
    ],
    "shell": [
        "I ran {command} and it {verb}s.", "Use `{command} -{word}` to {verb} the {noun}.",
        "{command} the {noun}, then {command} the {noun}", "{command} is {adj}; {command} isn't",
        "The {command} of the {noun} & the {command}", "see {command}({num}) or {command}(1)",
        "/usr/share/{word} has the {noun}", "{word}.txt, {word}.pdf and {word}.jpg | {word}",
        "{verb} the {noun}; {command} {noun}s are {adj}",
    ],
    "command": [
        "cat", "find", "sort", "make", "time", "who", "less", "more", "top", "head", "tail", "kill", "mail",
        "ping", "screen", "touch", "cut", "join", "watch", "host",
    ],
    "mail": [
        "{word}.{word}@{word}.example", "\"{name} {name}\" <{word}@{word}.example>",
        "From: {name} <{word}+{word}@{word}.example>; To: me", "re: {noun}, fwd: {noun}",
    ],
    "link": [
        "https://{word}.example/{word}/{num}?{word}={word}&{word}={num}#{word}",
        "http://www.{word}.example/{word}.php?id={num}", "see {word}.example/{word}-{word}",
        "https://{word}.example/a/b/c.html, it's {adj}", "//{word} and \\\\{word}",
    ],
    "sqlish": [
        "select a {noun} from the {noun} where it is {adj}", "drop the {noun} into the {noun}; update me",
        "insert {num} {noun}s into the {noun}", "delete from my {noun}, please",
        "{num} or {num} {noun}s, and {num} more", "group by {noun}, order by {adj}",
        "the union of {noun} and {noun}; select both", "{noun} like '{noun}' or '{noun}'",
        "having {num} {noun}s between {num} and {num}", "create a table of {noun}s, alter the {noun}",
        "not null, not {num}, not '{adj}'", "exec summary: {adj} {noun}s; merge the {noun}",
        "limit {num} per {noun}, offset {num}", "\"{noun}\" and \"{noun}\" = {adj}",
        "where {noun} is null and void",
    ],
    "quote": [
        "'{noun}' or '{noun}'?", "\"{statement}\" -- {name}", "“{noun}” and ‘{noun}’",
        "the '{adj}' {noun}, the \"{adj}\" {noun}; '{num}'s", "{name}'s and {name}'s {noun}s'",
        "it said: '{noun}; {noun}'", "``{word}'' in the {noun}", "{num}' {num}\" tall",
    ],
    "list": [
        "- {noun}\n- {noun}\n- {noun}", "1. {noun}\n2. {noun} & {noun}\n",
        "{noun}, {noun}, {noun} and/or {noun}", "{noun}; {noun}; {noun}", "a) {noun} b) {noun} c) {noun}",
    ],
    "json": [
        "{{\"{word}\": \"{noun}\", \"{word}\": {num}}}", "[\"{word}\", \"{word}\", null]",
        "{word}: {num}, {word}: '{noun}'", "{word}={noun}&{word}={num}",
    ],
    "maths": [
        "{num} + {num} = {num}", "({num} - {num}) * {num} > {num}", "x^{num} + y^{num} <= {num}",
        "{num}% of {num} is {num}", "f({num}) = {num}; g({num}) != {num}",
    ],
    "foreign": [
        "l'{noun} de {name} n'est pas {adj}", "der {noun}, die {noun} & das {noun} für {name}",
        "¿dónde está el {noun}? ¡ahí!", "где {noun}? там, за углом... Я иду", "今天{noun}很{adj}！（{num}）",
        "{noun}は{num}時ですか？「はい」", "το {noun} είναι {adj};", "co to jest {noun}? zażółć {num}",
    ],
    "noun": [
        "table", "union", "coffee", "sunset", "script", "cat", "dog", "window", "document", "house", "order",
        "group", "list", "menu", "system", "file", "password", "image", "schema", "column", "index", "view",
        "trigger", "function", "object", "class", "style", "form", "frame", "link", "base", "user",
        "session", "cookie", "data", "mirror", "garden", "river", "bridge", "photo", "beach", "city",
        "train", "ticket", "song", "book",
    ],
    "verb": [
        "select", "drop", "insert", "update", "delete", "join", "like", "load", "open", "close", "read",
        "write", "find", "sort", "make", "kill", "ping", "execute", "alter", "cast",
    ],
    "adj": [
        "null", "void", "nice", "distinct", "primary", "foreign", "unique", "default", "broken", "global",
        "local", "quick", "blue", "left", "true", "false", "like new",
    ],
    "name": [
        "Ada", "Bob", "Zoë", "Brien", "Neil", "D'Angelo", "Müller", "José", "Ngozi", "Li", "Anne-Marie",
        "Şule", "King", "Mary", "Char", "Null", "Cast",
    ],
    "word": [
        "foo", "bar", "config", "name", "main", "user_id", "parse", "render", "value", "page", "lang",
        "theme", "items", "cache", "router", "edge", "weekend", "travel", "food",
    ],
    "num": ["0", "1", "2", "3", "5", "7", "10", "12", "25", "42", "99", "100", "2024", "3.14"],
}  # fmt: skip


def sentence(seed: int, number: int) -> str:
    """Sentence `number` of the series `seed`; always the same one."""
    return phrase(Random(f"{seed}/{number}"), "sentence", grammar=GRAMMAR)


# -- what is installed on the machine -----------------------------------------------

_END = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z\"'(\[`])|\n\s*\n|\n(?=\s*[-*]\s)")
FILE_BYTES_MAX = 200_000
LENGTHS = range(20, 401)


def manuals(most: int) -> list[str]:
    """At most `most` sentences from change logs, licences, notes and docstrings installed here, the same each
    time; fewer or none where nothing is."""
    found: dict[str, None] = {}
    for text in _texts():
        for piece in _END.split(text):
            line = " ".join(piece.split())
            if len(line) in LENGTHS:
                found.setdefault(line)
        if len(found) > 50 * most:
            break
    lines = sorted(found)
    Random(7).shuffle(lines)
    return lines[:most]


def _texts() -> Iterator[str]:
    files = [*Path("/usr/share/doc").glob("*/*")]
    Random(7).shuffle(files := sorted(files))
    for path in files[:400]:
        yield _prose(path)
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.glob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                yield ast.get_docstring(node) or ""


def _prose(path: Path) -> str:
    if not re.search(r"changelog|copyright|README|NEWS|\.txt|\.md", path.name) or not path.is_file():
        return ""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data[:FILE_BYTES_MAX].decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
