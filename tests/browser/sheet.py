"""One page of all pictures that the browser tests took: `python -m tests.browser.sheet`."""

from __future__ import annotations

import re
from collections import defaultdict
from html import escape
from pathlib import Path

from tests.browser.visit import PICTURES

# A page's name, then the window's width and the colours it was seen in.
NAMED = re.compile(r"(?P<page>.+)-(?P<width>\d+)-(?P<theme>light|dark)")
STYLE = """body { margin: 24px; font: 14px/20px sans-serif; background: #fff; color: #14181f }
section { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start }
h2 { margin: 24px 0 8px; font-size: 16px } figure { margin: 0 } figcaption { color: #505b6b }
img { height: 360px; border: 1px solid #e3e7ed }"""


def sheet(folder: Path) -> str:
    """The pictures of a folder as HTML, those of one page beside each other."""
    pages: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(folder.glob("*.png")):
        found = NAMED.fullmatch(path.stem)
        page = found["page"] if found else path.stem
        pages[page].append((path.name, f"{found['width']} {found['theme']}" if found else ""))
    body = "".join(
        f"<h2>{escape(page)}</h2><section>"
        + "".join(
            f'<figure><a href="{escape(name)}"><img loading="lazy" src="{escape(name)}"'
            f' alt="{escape(page)} {seen}"></a><figcaption>{seen}</figcaption></figure>'
            for name, seen in pictures
        )
        + "</section>"
        for page, pictures in pages.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages of Upwell</title>'
        f"<style>{STYLE}</style><h1>{len(pages)} pages and states</h1>{body}</html>"
    )


if __name__ == "__main__":
    made = PICTURES / "index.html"
    made.write_text(sheet(PICTURES))
    print(made)
