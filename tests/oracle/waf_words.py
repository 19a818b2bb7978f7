r"""Requests without a sign that any decoder minds, made of what the rules themselves look for.

`waf_grammar` writes attacks as attackers do, with quotes and brackets.  The firewall has a shorter way for
ordinary text (`edge.l7.waf.ordinary`), and what goes wrong there shows only in text that is ordinary and
nearly an attack: `union select`, `wp-config.php`, `../etc/passwd`, `java.lang.Runtime`."""

import re
from collections.abc import Sequence
from random import Random

from edge.l7.waf.operators import pm_phrases
from edge.l7.waf.ordinary import ORDINARY
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import RuleSet
from tests.oracle.waf_grammar import Sample

SIGNS = (
    b" ", b" ", b"  ", b"/", b"./", b"../", b"..", b".", b"=", b"-", b"--", b"_", b":", b"; ", b",", b"", b"",
    b"1", b"7=7",
)  # fmt: skip
_SPELT = (
    (rb"\\s[*+]?", b" "), (rb"\\[bBAzZ]", b""), (rb"\\d[*+]?", b"1"), (rb"\\(?=\W)", b""),
    (rb"\(\?[a-z]*:?", b"("),
)  # fmt: skip
_WORD = re.compile(rb"[A-Za-z0-9_./=:@-]{2,40}(?: [A-Za-z0-9_./=:@-]{1,20})?")


def words_of(ruleset: RuleSet) -> list[bytes]:
    """Phrases and pieces of patterns, as far as they are ordinary."""
    found: set[bytes] = set()
    for rule in ruleset.rules:
        for link in rule.links:
            operator = link.operator
            if operator is None or operator.argument.constant is None:
                continue
            text = operator.argument.constant
            if operator.name.startswith("pm"):
                found.update(pm_phrases(operator))
                continue
            for spelt, plain in _SPELT:
                text = re.sub(spelt, plain, text)
            found.update(_WORD.findall(text))
    return sorted(word for word in found if word and not word.translate(None, ORDINARY))


def ordinary_request(words: Sequence[bytes], seed: int, number: int) -> Sample:
    """A few values in the query, the path, a cookie, a header and a form."""
    dice = Random(f"{seed}/words/{number}")

    def text() -> bytes:
        pieces: list[bytes] = []
        for _ in range(dice.randrange(1, 5)):
            word = dice.choice(words)
            cut = word if dice.random() < 0.8 else word[: dice.randrange(1, len(word) + 1)]
            case = dice.random()
            pieces += [dice.choice(SIGNS), cut.upper() if case < 0.1 else cut.title() if case < 0.2 else cut]
        return b"".join([*pieces, dice.choice(SIGNS)])[:200]

    def pairs(joint: bytes) -> bytes:
        made = [
            b"%b=%b" % (text()[:12].strip() if dice.random() < 0.2 else b"a", text())
            for _ in range(dice.choice((1, 1, 2, 5)))
        ]
        return joint.join(made)

    roll = dice.random()
    path = b"/" + (text() if roll < 0.2 else b"feed")
    target = path + (b"?" + pairs(b"&") if roll < 0.6 else b"")
    headers = [(b"host", b"i.edge.test"), (b"user-agent", text() if dice.random() < 0.1 else b"bench/1")]
    if 0.5 < roll < 0.8:
        headers.append((b"cookie", pairs(b"; ")))
    target = target.replace(b" ", b"+")
    if roll < 0.9:
        return WafRequest("203.0.113.9", "GET", target, "HTTP/1.1", tuple(headers)), b""
    headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    return WafRequest("203.0.113.9", "POST", target, "HTTP/1.1", tuple(headers)), pairs(b"&").replace(
        b" ", b"+"
    )
