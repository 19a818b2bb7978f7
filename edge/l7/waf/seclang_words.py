"""How does SecLang spell targets and operators?

Read here as they stand; whether there is such a variable or operator is asked by who reads the rule.
"""

from edge.l7.waf.form import Operator, Target
from edge.l7.waf.macro import parse_macro


def split_targets(text: bytes) -> list[bytes]:
    """Split at `|` or `,`, but not inside a `/regular expression/`."""
    parts: list[bytes] = []
    start, at, end, in_pattern = 0, 0, len(text), False
    while at < end:
        byte = text[at]
        if in_pattern:
            if byte == 0x5C:
                at += 1
            elif byte == 0x2F and (at + 1 == end or text[at + 1] in b"|,'"):
                in_pattern = False
        elif (
            byte == 0x2F
            and text[at - 1 : at] in {b":", b"'"}
            and not text[start:at].lstrip(b"!&").upper().startswith(b"XML")
        ):
            in_pattern = True
        elif byte in b"|,":
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def parse_target(text: bytes) -> Target:
    """Read one target: `ARGS`, `!ARGS:token`, `&ARGS`, `TX:/pattern/`, `XML:/*`."""
    exclude = text.startswith(b"!")
    count = text.startswith(b"&")
    name, colon, key = text.lstrip(b"!&").partition(b":")
    collection = name.decode("latin-1").upper()
    if not colon:
        return Target(collection, count=count, exclude=exclude)
    key = key.strip(b"'") if key.startswith(b"'") else key
    if collection != "XML" and len(key) > 1 and key.startswith(b"/") and key.endswith(b"/"):
        return Target(collection, pattern=key[1:-1], count=count, exclude=exclude)
    return Target(collection, key=key.lower(), count=count, exclude=exclude)


def parse_operator(text: bytes) -> Operator:
    """Read `@op argument`, `!@op argument`, or a bare pattern, which means `@rx`."""
    negated = text.startswith(b"!")
    body = text[1:].lstrip() if negated else text
    if not body.startswith(b"@"):
        return Operator("rx", parse_macro(body), negated)
    name, _, argument = body[1:].partition(b" ")
    kind = name.decode("latin-1").lower()
    # A pattern keeps its blanks: "a " is not "a".
    argument = argument if kind == "rx" else argument.strip()
    return Operator(kind, parse_macro(argument), negated)
