"""A page set in type: data in, PDF bytes out; the same data gives the same bytes.

All text travels as data. The template never sees a name as markup, so a customer called
`#panic()` is a customer called `#panic()`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import typst

from upwell.errors import Unavailable, UpwellError
from upwell.reports.charts import BUNDLE

TEMPLATES = Path(__file__).parent / "templates"
FONTS = BUNDLE / "fonts"


class Attempt(NamedTuple):
    """How to set a page: to which standards, and whether with the machine's own fonts too."""

    standards: tuple[Literal["ua-1"], ...]
    fonts_of_machine: bool


# A name in a script that our font lacks (Chinese, an emoji) must not cost the whole report: it is
# looked for in the machine's fonts, and where they lack it too an empty box stands for it.
ATTEMPTS = (
    Attempt(("ua-1",), fonts_of_machine=False),
    Attempt(("ua-1",), fonts_of_machine=True),
    Attempt((), fonts_of_machine=True),
)


def typeset(
    template: str, data: Mapping[str, Any], prepared_at: dt.datetime, fonts: Path = FONTS
) -> bytes:
    """The PDF (tagged, PDF/UA-1 where all text can be shown); UpwellError on any warning.

    A missing font is only a warning to the compiler, and a page in another face is a wrong page.
    """
    if not any(fonts.glob("*.ttf")):
        raise Unavailable(
            "fonts_missing",
            "The fonts of reports are not built.",
            fix="Run `npm ci && npm run build` in ui/, or install a released package.",
        )
    inputs = {"data": msgspec.json.encode(data).decode()}
    for attempt in ATTEMPTS[:-1]:
        with suppress(Unreadable):
            return _set(template, inputs, prepared_at, fonts, attempt)
    return _set(template, inputs, prepared_at, fonts, ATTEMPTS[-1])


class Unreadable(UpwellError):
    """Some text has no glyph in any font at hand."""


def _set(
    template: str, inputs: dict[str, str], prepared_at: dt.datetime, fonts: Path, attempt: Attempt
) -> bytes:
    compiler = typst.Compiler(
        str(TEMPLATES / template),
        root=str(TEMPLATES),
        font_paths=[str(fonts)],
        ignore_system_fonts=not attempt.fonts_of_machine,
        sys_inputs=inputs,
    )
    try:
        pdf, warnings = compiler.compile_with_warnings(
            format="pdf",
            pdf_standards=list(attempt.standards),
            timestamp=int(prepared_at.timestamp()),
        )
    except typst.TypstError as error:
        told = _told(error)
        kind = Unreadable if "could not be displayed" in told else UpwellError
        raise kind("page_failed", f"The page cannot be set: {told}") from error
    if warnings:
        told = "; ".join(warning.message for warning in warnings)
        raise UpwellError("page_failed", f"The page was set with warnings: {told}")
    if not isinstance(pdf, bytes):
        raise UpwellError("page_failed", "The page came out as something else than one PDF.")
    return pdf


def _told(error: Exception) -> str:
    """A compiler's message with the place in the template, on one line."""
    return " ".join(str(getattr(error, "diagnostic", None) or error).split())
