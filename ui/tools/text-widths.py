"""Writes src/core/text-widths.ts from the shipped Inter, so that layouts know how wide text is.

Run in ui/: uv run --with fonttools --with brotli tools/text-widths.py
"""

import io
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

UI = Path(__file__).parent.parent
FILES = UI / "node_modules/@fontsource-variable/inter/files"
CHARACTERS = [chr(c) for c in (*range(0x20, 0x7F), *range(0xA0, 0x180))] + list(
    "–—‘’“”…•−→↑↓€₹₩₺₽₪₫₱₿"
)
WEIGHTS = (400, 600)
DIGITS = set("0123456789")


def fonts(subset: str, weight: int) -> TTFont:
    data = (FILES / f"inter-{subset}-wght-normal.woff2").read_bytes()
    return instantiateVariableFont(TTFont(io.BytesIO(data)), {"wght": weight})


def tabular(font: TTFont, name: str) -> str:
    """The glyph that the feature `tnum` puts in place of `name`."""
    table = font["GSUB"].table
    for record in table.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for sub in table.LookupList.Lookup[index].SubTable:
                    sub = getattr(sub, "ExtSubTable", sub)
                    if name in getattr(sub, "mapping", {}):
                        return sub.mapping[name]
    return name


def widths(weight: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for subset in ("latin", "latin-ext"):
        font = fonts(subset, weight)
        scale = 1000 / font["head"].unitsPerEm
        for character in CHARACTERS:
            name = font.getBestCmap().get(ord(character))
            if name and character not in found:
                name = tabular(font, name) if character in DIGITS else name
                found[character] = round(font["hmtx"][name][0] * scale)
    return found


def main() -> None:
    lines = [
        "// Written by tools/text-widths.py from Inter; advance widths in thousandths of an em,",
        "// digits as tabular figures. Do not edit.",
    ]
    for weight in WEIGHTS:
        by_width: dict[int, str] = {}
        for character, width in widths(weight).items():
            by_width[width] = by_width.get(width, "") + character
        lines.append(f"export const WIDTHS_{weight}: readonly (readonly [number, string])[] = [")
        for width, characters in sorted(by_width.items()):
            quoted = characters.replace("\\", "\\\\").replace("'", "\\'").replace("\xa0", "\\u00a0")
            quoted = quoted.replace("\xad", "\\u00ad")
            lines.append(f"  [{width}, '{quoted}'],")
        lines.append("];")
    (UI / "src/core/text-widths.ts").write_text("\n".join(lines) + "\n")


main()
