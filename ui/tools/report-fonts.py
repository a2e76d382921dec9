"""Writes Inter as static TrueType files, for the report's typesetter, which reads no WOFF2.

Run in ui/: uv run --with fonttools --with brotli tools/report-fonts.py OUT_DIR
"""

import io
import sys
from pathlib import Path

from fontTools.merge import Merger
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

FILES = Path(__file__).parent.parent / "node_modules/@fontsource-variable/inter/files"
STYLES = {400: "Regular", 600: "SemiBold"}
MADE = 3_786_912_000  # seconds since 1904: 2024-01-01, so that equal input gives equal bytes


def static(subset: str, weight: int, folder: Path) -> str:
    """One subset at one weight as a file to merge; its path."""
    data = (FILES / f"inter-{subset}-wght-normal.woff2").read_bytes()
    font = instantiateVariableFont(TTFont(io.BytesIO(data)), {"wght": weight})
    font.flavor = None
    path = folder / f".{subset}-{weight}.ttf"
    font.save(path)
    return str(path)


def named(font: TTFont, weight: int) -> None:
    """Call the family Inter in every name record a typesetter looks at."""
    style = STYLES[weight]
    family = "Inter" if weight == 400 else f"Inter {style}"
    for record, text in {1: family, 2: "Regular", 4: f"Inter {style}", 6: f"Inter-{style}", 16: "Inter", 17: style}.items():
        font["name"].setName(text, record, 3, 1, 0x409)
    font["OS/2"].usWeightClass = weight
    font["head"].created = font["head"].modified = MADE


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for weight, style in STYLES.items():
        parts = [static(subset, weight, folder) for subset in ("latin", "latin-ext")]
        font = Merger().merge(parts)
        font.recalcTimestamp = False
        named(font, weight)
        font.save(folder / f"Inter-{style}.ttf")
        for part in parts:
            Path(part).unlink()


main(Path(sys.argv[1]))
