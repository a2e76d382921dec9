"""What can be done about a source: read it again or now, try again what could not be used."""

from __future__ import annotations

import datetime as dt

from upwell.app.house import House
from upwell.app.link import Link
from upwell.app.pulls import Pulls, again
from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.period import to_day, to_micros
from upwell.sources.stripe.fetch import STEPS
from upwell.web.health_shapes import ReadAgain, Replay, Replayed


class Mending:
    """The sources of a house; `pulls` is the running server's, None where there is none."""

    def __init__(self, house: House, pulls: Pulls | None) -> None:
        self._house, self._pulls = house, pulls

    def reset(self, id_: str, to: str, where: str = "to") -> ReadAgain:
        """Read a source again from a day on; what is here already is not counted twice."""
        house, since = self._house, day_of(self._house, to, where)
        link = house.links.find(id_)
        if self._pulls is None:
            before = again(house.journal, link, since, house.clock)
        else:
            before = self._pulls.again(link, since)
        if not before:
            raise Rejected(
                "never_read",
                f"Nothing of source '{id_}' was read yet.",
                fix=f"Read all of it: upwell sync {id_}",
                where="SOURCE",
            )
        return ReadAgain(
            source=id_,
            to=to,
            listed=listed_again(link, to),
            reading=self._pulls is not None and not link.paused,
        )

    def read_now(self, id_: str) -> None:
        """Look at a source now; raises Rejected where it is paused."""
        link = self._house.links.find(id_)
        if link.paused:
            raise Rejected(
                "paused",
                f"'{id_}' is paused.",
                fix="Resume it: it is read at once.",
                where="source",
            )
        if self._pulls is not None:
            for _ in self._pulls.sync(id_, 0):
                break

    def replay(self, asked: Replay) -> Replayed:
        """Try again what could not be used."""
        before = self._letters(asked)
        seqs = sorted({seq for seq, _ in before})
        if not seqs:
            return Replayed(tried=0, still_unusable=0, added=0)
        now = to_micros(self._house.clock())
        about = {"deliveries": seqs}
        order = Delivery(kind="retranslate", source="upwell", received_at=now, about=about)
        done = self._house.flow.command(order).result
        still = len(self._letters(asked) & before)
        return Replayed(tried=len(before), still_unusable=still, added=done.get("added", 0))

    def _letters(self, asked: Replay) -> set[tuple[int, int]]:
        rows = self._house.projection.reader().execute(
            """select seq, idx from dead_letters where settled_seq is null
            and (? is null or source = ?) and (? is null or code = ?) and (? is null or seq = ?)""",
            [one for part in (asked.source, asked.code, asked.delivery) for one in (part, part)],
        )
        return set(rows.fetchall())


def record_of(delivery: Delivery, idx: int, most: int) -> str:
    """A record of a delivery as it came: its line of several; `most` bytes of it."""
    lines = delivery.body.splitlines()
    one = 0 <= idx < len(lines) and len(lines) > 1
    text = lines[idx] if one else b"\n".join(lines)
    return text[:most].decode(errors="replace")


def listed_again(link: Link, day: str) -> tuple[str, ...]:
    """What is read again of each list of an account, as people read it."""
    if link.kind != "stripe":
        return ()
    said = {None: "whole", 0: f"from {day}"}
    return tuple(
        f"{step.name.replace('_', ' ')}: "
        + said.get(step.late, f"from {step.late} days before {day}, as they change that late")
        for step in STEPS
    )


def day_of(house: House, text: str, where: str) -> int:
    """The epoch second in which a local day began; Rejected for one that is not over."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise Rejected(
            "bad_day", f"'{text[:40]}' is not a day.", fix="Write 2026-11-22.", where=where
        ) from None
    start = house.projection.zone.opens(to_day(day))
    if start > to_micros(house.clock()) or day.year < 1970:
        raise Rejected(
            "bad_day",
            f"Nothing can be read again from {day} on.",
            fix="Give a day from 1970-01-01 until today.",
            where=where,
        )
    return max(0, start) // 1_000_000
