"""JSON of clients that is none: half an emoji, NaN, a line break in a text, depth without end.

One event like that must not cost the others of its request, so what is wrong with it is put right
where nothing is lost by it: such texts get a mark in place of what is no character, numbers that
are none become null, and what is nested too deep is left out. Pure.
"""

from __future__ import annotations

import re

DEEPEST = 100  # levels; what is deeper than a recursion may go cannot be read at all
MOST = 1024 * 1024  # bytes that are looked through, which costs time before a key is judged

# A text without its end goes to the end of all, so that no byte is looked at twice.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]|NaN|-?Infinity', re.DOTALL)
_WRONG = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a whole pair
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # half of one
    rb"|(\\.)|[\x00-\x1f]",
    re.DOTALL,
)


def mended(body: bytes) -> bytes:
    """The same with what can be put right; what is broken in another way stays so."""
    if len(body) > MOST:
        return body
    kept: list[bytes] = []
    depth = end = 0
    for token in _TOKEN.finditer(body):
        text, start = token.group(), token.start()
        if text in (b"[", b"{"):
            depth += 1
            if depth == DEEPEST + 1:
                kept += [body[end:start], b"[]"]
        elif text in (b"]", b"}"):
            if depth == DEEPEST + 1:
                end = token.end()
            depth -= 1
        elif depth <= DEEPEST and text != b'""':
            good = _WRONG.sub(_put_right, text) if text[:1] == b'"' else b"null"
            if good != text:
                kept += [body[end:start], good]
                end = token.end()
    if depth <= DEEPEST:
        kept.append(body[end:])
    return b"".join(kept)


def _put_right(found: re.Match[bytes]) -> bytes:
    text = found.group()
    if found[1] or found[2]:
        return text
    return b"\\ufffd" if text[:1] == b"\\" else b"\\u%04x" % text[0]
