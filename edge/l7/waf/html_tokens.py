r"""Would a browser run something, if a page contained this value?  (`@detectXSS`)

The value is read as a browser might meet it: between tags, and inside an attribute that a quote in the value
closes.  What counts is structure, not words: a tag that loads or runs things, an attribute that is an event
handler, a link whose scheme is code.  The lists are our own; the idea of trying several contexts is
libinjection's.

Price: a handful of searches by RE2, and only on values that hold `<`, a quote or a back quote together with
`=`.  The standard library's `re` tried each `<` as a beginning and read on from there: 16 kB of `<x style=`
held the interpreter for six seconds."""

from edge.l7.waf.regex import Pattern, compile_pattern

# The prefilter uses this as a pattern; nothing below can match without it.  RE2's `\s` lacks the vertical
# tab.
GATE = rb"(?i)<[a-z/!?%\x00]|[\s\x00\x0b\"'`/+]on[a-z]{3,}[\s\x00\x0b]*=|[\s\x00\x0b\"'`/]style[\s\x00\x0b]*="
_GATE = compile_pattern(GATE)

# These bring something with them wherever they stand.
_TAG = compile_pattern(
    rb"(?i)<[/\x00\s\x0b]*(?:[a-z0-9_\-]{1,20}:)?(?:script|iframe|vmlframe)(?:[\s/>\x00\x0b\"'`]|$)"
)
# These bring it with their attributes; without any, somebody writes about them.
_LOADING_TAG = compile_pattern(
    rb"(?i)<[/\x00\s\x0b]*(?:[a-z0-9_\-]{1,20}:)?(?:applet|base|bgsound|comment|embed|frame(?:set)?|handler|import|isindex|"
    rb"link|listener|math|meta|noscript|object|style|svg[a-z]*|xml|xsl[a-z:\-]*|xss|template|marquee)"
    rb"[\s/\x00\x0b\"'`][^<>]{0,400}?="
)
_HANDLER = compile_pattern(rb"(?i)<[a-z!?/][^>]*?[\s/\"'`\x00\x0b]on[a-z]{3,}[\s\x00\x0b]*=")
_CODE_LINK = compile_pattern(
    rb"(?i)<[a-z][^>]*?(?:href|src|action|formaction|data|background|from|to|values|folder|dynsrc|lowsrc|poster|srcdoc)"
    rb"[\s\x00\x0b]*=[\s\x00\x0b\"'`]*(?:j[\s\x00\x0b]*a[\s\x00\x0b]*v[\s\x00\x0b]*a[\s\x00\x0b]*s|vbscript|data|view-source|\\\\|feed:)"
)
_STYLE = compile_pattern(
    rb"(?i)<[a-z][^>]*?[\s/\"'`\x00\x0b]style[\s\x00\x0b]*=[^>]*?(?:expression|url|import|behavio|binding|script|\\|&#|/\*)"
)
# In an attribute: a quote, or nothing at all, then a handler.
_BREAKOUT = compile_pattern(
    rb"(?i)(?:^|[\"'`])[^<>=]{0,60}?[\s/\"'`\x00\x0b+]on[a-z]{3,}[\s\x00\x0b]*=[\s\x00\x0b]*[^\s\x0b\x00=]"
)
_BREAKOUT_STYLE = compile_pattern(
    rb"(?i)[\"'`][\s/\x00\x0b]*(?:[a-z]+=[^<>=]{0,40}[\s\x0b\"'`]+)?style[\s\x00\x0b]*="
)
_DECLARATION = compile_pattern(
    rb"(?i)<!(?:doctype|entity|element|attlist)\b[^>]*?[\[%\"'(]|<!\[cdata\[|<!--[^>]*?(?:`|\[if|xml|import|entity)|<\?(?:xml|import)"
)
_KNOWN_HANDLER = compile_pattern(
    rb"(?i)[\s\"'`/+\x00\x0b]on(?:abort|activate|after[a-z]+|animation[a-z]+|aux[a-z]+|before[a-z]+|begin|blur|bounce|can[a-z]+|"
    rb"change|click|close|context[a-z]+|copy|cue[a-z]+|cut|dbl[a-z]+|drag[a-z]*|drop|end(?:ed)?|error|finish|focus[a-z]*|form[a-z]+|"
    rb"full[a-z]+|hash[a-z]+|input|invalid|key[a-z]+|load[a-z]*|message|mouse[a-z]+|offline|online|page[a-z]+|paste|"
    rb"play[a-z]*|pointer[a-z]+|pop[a-z]+|progress|ready[a-z]+|repeat|reset|resize|scroll[a-z]*|search|seek[a-z]+|"
    rb"select[a-z]*|show|start|storage|submit|suspend|time[a-z]+|toggle|touch[a-z]+|transition[a-z]+|un[a-z]+|"
    rb"volume[a-z]+|waiting|web[a-z]+|wheel)[\s\x00\x0b]*="
)


def looks_like_xss(value: bytes) -> bytes:
    """What would run (a few bytes, for the log), or b"" when nothing would."""
    if not _GATE.found(value):
        return b""
    if b"<" in value:
        for pattern in (_TAG, _LOADING_TAG, _HANDLER, _CODE_LINK, _STYLE, _DECLARATION):
            if found := _end_of(pattern, value):
                return found
    if b"=" in value:
        found = _end_of(_BREAKOUT, value)
        if found and _KNOWN_HANDLER.found(value):
            return found
        return _end_of(_BREAKOUT_STYLE, value)
    return b""


def _end_of(pattern: Pattern, value: bytes) -> bytes:
    span = pattern.span(value, 0, len(value))
    return value[max(span[0], span[1] - 32) : span[1]] if span is not None else b""
