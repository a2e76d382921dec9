"""On which line of a TOML text each key stands; tomllib reads values but forgets places."""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_KEY = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGN = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
    r"|#[^\n]*|[\[\]{}]|\n|[^\s\[\]{}\"'#]+|\s",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The 1-based line of every table and key of a valid TOML text, by path.

    An element of an array of tables has its index in the path: `("products", 0, "id")`. Keys
    within inline tables are not listed; `line_of` falls back to the key that holds them.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if header := _HEADER.match(text, at):
            table = ()
            parts = _parts(header[2])
            for depth, part in enumerate(parts):
                table = (*table, part)
                if depth == len(parts) - 1 and header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            found.setdefault(table, line)
            at = header.end()
        elif assign := _ASSIGN.match(text, at):
            path = (*table, *_parts(assign[1]))
            found.setdefault(path, line)
            at = assign.end()
        at = _end_of_value(text, at)
    return found


def line_of(places: dict[Path, int], path: Path) -> int:
    """The line of the path, or of the nearest thing around it; 0 where nothing is known."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return 0


def _parts(dotted: str) -> tuple[str, ...]:
    keys = re.findall(_KEY, dotted)
    return tuple(key if key[0] not in "\"'" else tomllib.loads(f"k = {key}")["k"] for key in keys)


def _end_of_value(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            return len(text)
        at = piece.end()
        if piece[0] in ("[", "{"):
            depth += 1
        elif piece[0] in ("]", "}"):
            depth -= 1
        elif piece[0] == "\n" and depth <= 0:
            return at
    return at
