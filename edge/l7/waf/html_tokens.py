r"""Would a browser run something, if a page contained this value?  (`@detectXSS`)

The value is read as a browser might meet it: between tags, and inside an attribute that a quote in the value
closes.  What counts is structure, not words: a tag that loads or runs things, an attribute that is an event
handler, a link whose scheme is code.  The lists are our own; the idea of trying several contexts is
libinjection's.

Price: a handful of linear searches, and only on values that hold `<`, a quote or a back quote together with
`=`."""

import re

# The prefilter uses this as an RE2 pattern; nothing below can match without it.
GATE = rb"(?i)<[a-z/!?%\x00]|[\s\"'`/+]on[a-z]{3,20}[\s\x00]*=|[\s\"'`/]style[\s\x00]*="
_GATE = re.compile(GATE)

# These bring something with them wherever they stand.
_TAG = re.compile(
    rb"(?i)<[/\x00\s]*(?:[a-z0-9_\-]{1,20}:)?(?:script|iframe|vmlframe)(?:[\s/>\x00\x0b\"'`]|$)"
)
# These bring it with their attributes; without any, somebody writes about them.
_LOADING_TAG = re.compile(
    rb"(?i)<[/\x00\s]*(?:[a-z0-9_\-]{1,20}:)?(?:applet|base|bgsound|comment|embed|frame(?:set)?|handler|import|isindex|"
    rb"link|listener|math|meta|noscript|object|style|svg[a-z]*|xml|xsl[a-z:\-]*|xss|template|marquee)"
    rb"[\s/\x00\x0b\"'`][^<>]{0,400}?="
)
_HANDLER = re.compile(rb"(?i)<[a-z!?/][^>]{0,2000}?[\s/\"'`\x00\x0b]on[a-z]{3,20}[\s\x00\x0b]*=")
_CODE_LINK = re.compile(
    rb"(?i)<[a-z][^>]{0,2000}?(?:href|src|action|formaction|data|background|from|to|values|folder|dynsrc|lowsrc|poster|srcdoc)"
    rb"[\s\x00\x0b]*=[\s\x00\x0b\"'`]*(?:j[\s\x00]*a[\s\x00]*v[\s\x00]*a[\s\x00]*s|vbscript|data|view-source|\\\\|feed:)"
)
_STYLE = re.compile(
    rb"(?i)<[a-z][^>]{0,2000}?[\s/\"'`\x00\x0b]style[\s\x00\x0b]*=[^>]{0,400}?(?:expression|url|import|behavio|binding|script|\\|&#|/\*)"
)
# In an attribute: a quote, or nothing at all, then a handler.
_BREAKOUT = re.compile(
    rb"(?i)(?:^|[\"'`])[^<>=]{0,60}?[\s/\"'`\x00\x0b+]on[a-z]{3,20}[\s\x00\x0b]*=[\s\x00\x0b]*[^\s\x00=]"
)
_BREAKOUT_STYLE = re.compile(rb"(?i)[\"'`][\s/\x00\x0b]*(?:[a-z]+=[^<>=]{0,40}[\s\"'`]+)?style[\s\x00\x0b]*=")
_DECLARATION = re.compile(
    rb"(?i)<!(?:doctype|entity|element|attlist)\b[^>]{0,200}?[\[%\"'(]|<!\[cdata\[|<!--[^>]{0,200}?(?:`|\[if|xml|import|entity)|<\?(?:xml|import)"
)
_KNOWN_HANDLER = re.compile(
    rb"(?i)[\s\"'`/+\x00\x0b]on(?:abort|activate|after[a-z]+|animation[a-z]+|aux[a-z]+|before[a-z]+|begin|blur|bounce|can[a-z]+|"
    rb"change|click|close|context[a-z]+|copy|cue[a-z]+|cut|dbl[a-z]+|drag[a-z]*|drop|end(?:ed)?|error|finish|focus[a-z]*|form[a-z]+|"
    rb"full[a-z]+|hash[a-z]+|input|invalid|key[a-z]+|load[a-z]*|message|mouse[a-z]+|offline|online|page[a-z]+|paste|"
    rb"play[a-z]*|pointer[a-z]+|pop[a-z]+|progress|ready[a-z]+|repeat|reset|resize|scroll[a-z]*|search|seek[a-z]+|"
    rb"select[a-z]*|show|start|storage|submit|suspend|time[a-z]+|toggle|touch[a-z]+|transition[a-z]+|un[a-z]+|"
    rb"volume[a-z]+|waiting|web[a-z]+|wheel)[\s\x00\x0b]*="
)


def looks_like_xss(value: bytes) -> bytes:
    """What would run (a few bytes, for the log), or b"" when nothing would."""
    if not _GATE.search(value):
        return b""
    if b"<" in value:
        for pattern in (_TAG, _LOADING_TAG, _HANDLER, _CODE_LINK, _STYLE, _DECLARATION):
            found = pattern.search(value)
            if found:
                return found[0][-32:]
    if b"=" in value:
        found = _BREAKOUT.search(value)
        if found and _KNOWN_HANDLER.search(value):
            return found[0][-32:]
        found = _BREAKOUT_STYLE.search(value)
        if found:
            return found[0][-32:]
    return b""
