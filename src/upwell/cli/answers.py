"""An answer, a dict as the API gives it, as a table with bars. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from upwell.money import rounded

BLOCKS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR = 24


def shown(value: Any, unit: str, currency: str | None) -> str:
    """The value as a person writes it: 1,234.50 USD, 8.5 %, 47; a dash where there is none.

    Money is rounded to the cent here only; CSV, JSON and Parquet hold it as it was computed.
    """
    if value is None:
        return "–"
    number = Decimal(str(value))
    if unit == "money":
        return f"{rounded(number, currency):,} {currency}" if currency else f"{number:,}"
    if unit == "ratio":
        return f"{(number * 100).quantize(Decimal('0.1'))} %"
    if number == number.to_integral():
        return f"{int(number):,}"
    return f"{number.quantize(Decimal('0.01')):,}"


def explained(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """A change as a table: the parts of each dimension, which add up to it, and customers."""
    unit, currency = found["unit"], found.get("currency")

    def change(value: Any) -> str:
        if value is None:
            return shown(value, unit, currency)
        number = Decimal(str(value))
        points = f"{(number * 100).quantize(Decimal('0.01'))} pp"
        said = points if unit == "ratio" else shown(value, unit, currency)
        return f"+{said}" if number > 0 else said

    named = {"other": "the others", "overlap": "in several of them", "rest": "in none of them"}
    rows = [["", "in all", change(found["change"])]]
    for split in found["splits"]:
        for part in split["parts"]:
            kind = part.get("kind", "part")
            name = part["label"] or part["key"] or "(none)"
            rows.append([split["by"], named.get(kind, name), change(part["change"])])
    people = [
        ["customer", one["name"] or one["id"], change(one["change"])] for one in found["customers"]
    ]
    return ["by", "", "change"], rows + people, "change"


def spark(values: Sequence[Any]) -> str:
    """A line of blocks, lowest to highest; a space where there is no value."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    return "".join(
        " " if value is None else BLOCKS[int((float(value) - low) / span * (len(BLOCKS) - 1))]
        for value in values
    )


def bar(value: Any, highest: float) -> str:
    """A bar from zero; the highest value takes BAR letters."""
    if value is None or highest <= 0 or float(value) <= 0:
        return ""
    eighths = round(float(value) / highest * BAR * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def table(answer: Mapping[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """Headers, rows, and which headers stand right: points of one series, or a line a series."""
    unit, currency = answer["unit"], answer.get("currency")
    series = answer["series"]
    if len(series) == 1 and not answer["question"].get("by"):
        (only,) = series
        values = [point["value"] for point in only["points"]]
        highest = max((float(value) for value in values if value is not None), default=0.0)
        compare = [point["value"] for point in (only.get("compare") or {}).get("points", [])]
        rows = []
        for index, point in enumerate(only["points"]):
            row = [point["start"], shown(point["value"], unit, currency)]
            if compare:
                before = compare[index] if index < len(compare) else None
                row.append(shown(before, unit, currency))
            row += [bar(point["value"], highest), "" if point["complete"] else "so far"]
            rows.append(row)
        total = ["total", shown(only["total"], unit, currency)]
        if compare:
            total.append(shown(only["compare"]["total"], unit, currency))
        rows.append([*total, "", ""])
        headers = ["start", "value", *(["before"] if compare else []), "", " "]
        return headers, rows, "value before"
    rows = [
        [
            each.get("label") or each["key"] or "(none)",
            shown(each["total"], unit, currency),
            spark([point["value"] for point in each["points"]]),
        ]
        for each in series
    ]
    return [answer["question"].get("by") or "series", "total", ""], rows, "total"


def notes(answer: Mapping[str, Any]) -> list[str]:
    """What a reader has to know beside the numbers."""
    found = [answer["note"]] if answer.get("note") else []
    found += [
        f"not converted, as no rate is known: {money['total']} {money['currency']}"
        for money in answer.get("unconverted", ())
    ]
    if answer.get("unlinked"):
        found.append(f"{answer['unlinked']:,} are not linked over products")
    if any(point.get("provisional") for each in answer["series"] for point in each["points"]):
        found.append("the newest points are converted at the last known rate")
    return found
