"""Funnels by brute force, one user at a time, straight from the definitions P1 to P9.

`table` is the page's own pseudo-code with dictionaries; `chains` tries every chain; `walks` follows
each entry by itself; `sets` tries every set of events for any order. Slow and plain on purpose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations, groupby, permutations
from typing import Any

from upwell.metrics.funnel.rule import Exclusion, FunnelRule


@dataclass(frozen=True)
class Event:
    """An event at `t`, with the alternatives and exclusions that it matches, counted from 0."""

    t: int
    hits: frozenset[int] = frozenset()
    drops: frozenset[int] = frozenset()


@dataclass
class Answer:
    """The winning chain: the number of an event for each step, None where passed over."""

    chain: list[int | None]
    state: str


Place = tuple[int, bool]  # the number of an event, and whether it stands in a tie of different ones


def steps_of(event: Event, rule: FunnelRule) -> list[int]:
    owner = [k for k, step in enumerate(rule.steps) for _ in range(step.alternatives)]
    return sorted({owner[hit] for hit in event.hits})


def arrange(events: list[Event], rule: FunnelRule) -> list[Place]:
    """P4: ties in step order; a tie is what lies within the tolerance after its first event."""
    tolerance = 0 if rule.order == "any" else rule.tolerance
    found: list[Place] = []
    left = list(range(len(events)))
    while left:
        tie = [i for i in left if events[i].t <= events[left[0]].t + tolerance]
        left = left[len(tie) :]
        mixed = len({(events[i].hits, events[i].drops) for i in tie}) > 1

        def rank(i: int) -> tuple[float, float]:
            steps = steps_of(events[i], rule)
            return (steps[0], steps[-1]) if steps else (99, 99)

        found += [(i, mixed) for i in (sorted(tie, key=rank) if mixed else tie)]
    return found


def _state(reached: int, tainted: bool, since: int | None, rule: FunnelRule) -> str:
    if tainted:
        return "hidden"
    if reached == 0:
        return "none"
    if reached == len(rule.steps):
        return "converted"
    assert since is not None
    return "dropped" if since + rule.window <= rule.watermark else "open"


def table(events: list[Event], rule: FunnelRule) -> Answer:
    """P1 with P2, P5 and P6: `chains[k]` is the chain that stands at step k."""
    last = len(rule.steps)
    chains: dict[int, list[int | None]] = {}
    place_of = {i: place for place, (i, _) in enumerate(arrange(events, rule))}
    best: list[int | None] = []
    tainted = False
    over = False  # ended by an exclusion: no longer a chain that a later one could taint
    since: int | None = None

    def first(chain: list[int | None]) -> int:
        assert chain[0] is not None
        return chain[0]

    def begun(chain: list[int | None]) -> int:
        if rule.window_scope == "first":
            return events[first(chain)].t
        end = chain[-1]
        assert end is not None
        return events[end].t

    def live(chain: list[int | None], t: int) -> bool:
        return t - begun(chain) <= rule.window

    for i, mixed in arrange(events, rule):
        event = events[i]
        t = event.t
        if t > rule.watermark:
            continue
        between: list[Exclusion] = []
        for number in sorted(event.drops) if not mixed else ():
            x = rule.exclusions[number]
            level: dict[int, int] = {}
            for k in sorted(chains):
                if live(chains[k], t):
                    level[first(chains[k])] = k
            ended = {who for who, k in level.items() if x.after <= k < x.before}
            chains = {k: c for k, c in chains.items() if first(c) not in ended}
            if best and live(best, t) and x.after <= len(best) < x.before:
                between.append(x)
        if between and not over:
            over, tainted = True, any(x.mode == "drop_actor" for x in between)
        steps = [k + 1 for k in steps_of(event, rule)]
        grown: list[list[int | None]] = []
        for k in reversed(steps):
            if k == 1:
                continue
            back = k - 1
            while True:
                p = chains.get(back)
                if p and live(p, t):
                    q = chains.get(k)
                    later = q is None or place_of[first(p)] > place_of[first(q)]
                    if later or rule.window_scope == "step":
                        chains[k] = p + [None] * (k - 1 - back) + [i]
                        grown.append(chains[k])
                        break
                if back == 1 or not rule.steps[back - 1].optional:
                    break
                back -= 1
        if rule.order == "strict" and not mixed:
            chains = {k: c for k, c in chains.items() if k in steps}
        if 1 in steps and rule.entry_from <= t < rule.entry_to:
            busy = rule.entry == "first" and any(live(c, t) for c in chains.values())
            if not busy:
                if rule.entry == "first":
                    chains = {}
                chains[1] = [i]
                grown.append([i])
                since = t if since is None else max(since, t)
        if grown and rule.window_scope == "step":
            since = t if since is None else max(since, t)
        for chain in grown:
            if len(chain) > len(best) or (tainted and len(chain) == len(best)):
                best, tainted, over = chain, False, False
        if len(best) == last:
            break
    return Answer([] if tainted else best, _state(len(best), tainted, since, rule))


def chains(events: list[Event], rule: FunnelRule) -> list[int | None]:
    """Of all chains that are allowed: the longest, then the earliest end, then the latest start.

    For entry `latest`, without exclusions and optional steps.
    """
    order = [(i, mixed) for i, mixed in arrange(events, rule) if events[i].t <= rule.watermark]
    steps = [steps_of(events[i], rule) for i, _ in order]
    times = [events[i].t for i, _ in order]
    found: list[tuple[tuple[object, ...], list[int]]] = []

    def follow(chain: list[int]) -> None:
        turned = [-p for p in reversed(chain)]
        rest = turned if rule.window_scope == "step" else [-chain[0], *chain]
        found.append(((-len(chain), chain[-1], *rest), chain))
        k = len(chain)
        if k == len(rule.steps):
            return
        for p in range(chain[-1] + 1, len(order)):
            begun = times[chain[0]] if rule.window_scope == "first" else times[chain[-1]]
            if k in steps[p] and times[p] - begun <= rule.window:
                follow([*chain, p])
            if rule.order == "strict" and not order[p][1] and k - 1 not in steps[p]:
                break

    for p in range(len(order)):
        if 0 in steps[p] and rule.entry_from <= times[p] < rule.entry_to:
            follow([p])
    if not found:
        return []
    return [order[p][0] for p in min(found)[1]]


def walks(events: list[Event], rule: FunnelRule) -> list[int | None]:
    """Each entry followed by itself to its end: ordered, windows from the first step.

    With exclusions, without optional steps. [] where the user is hidden or never entered.
    """
    order = [(i, mixed) for i, mixed in arrange(events, rule) if events[i].t <= rule.watermark]
    found = []
    closed = -1  # the place where the last attempt ended, for entry `first`

    def enters(event: Event) -> bool:
        return 0 in steps_of(event, rule) and rule.entry_from <= event.t < rule.entry_to

    for start, (i, _) in enumerate(order):
        t0 = events[i].t
        if not enters(events[i]):
            continue
        if rule.entry == "first" and start < closed:
            continue
        chain, end, tainted = [start], len(order), False
        for p in range(start + 1, len(order)):
            event, mixed = events[order[p][0]], order[p][1]
            if event.t - t0 > rule.window:
                if rule.entry == "first" and enters(event):
                    end = p
                    break
                continue  # within the tolerance one still in the window may follow
            between = [
                rule.exclusions[x]
                for x in event.drops
                if rule.exclusions[x].after <= len(chain) < rule.exclusions[x].before
            ]
            if between and not mixed and len(chain) < len(rule.steps):
                end = p
                tainted = any(x.mode == "drop_actor" for x in between)
                break
            if len(chain) < len(rule.steps) and len(chain) in steps_of(event, rule):
                chain.append(p)
        closed = end
        found.append((-len(chain), chain[-1], -start, chain, tainted))
    if not found:
        return []
    found.sort()
    longest = [one for one in found if one[0] == found[0][0]]
    # Of entries carried on by the same event the latest counts.
    seen = {one[1]: one for one in reversed(longest)}
    clean = [seen[end] for end in sorted(seen) if not seen[end][4]]
    return [order[p][0] for p in clean[0][3]] if clean else []


def _fit(chosen: tuple[int, ...], steps: list[list[int]], count: int) -> bool:
    return any(
        all(step in steps[p] for p, step in zip(chosen, way, strict=True))
        for way in permutations(range(count), len(chosen))
    )


def sets(events: list[Event], rule: FunnelRule) -> list[int | None]:
    """P3: of all sets of events that fill steps the largest.

    Then the earliest end, the latest start, the latest events. For entry `first`: windows follow
    each other, and each keeps the earliest events that fill one more step. [] where the user is
    hidden or never entered.
    """
    order = [(i, mixed) for i, mixed in arrange(events, rule) if events[i].t <= rule.watermark]
    steps = [steps_of(events[i], rule) for i, _ in order]
    times = [events[i].t for i, _ in order]
    part = [0]
    for i, mixed in order:  # an exclusion begins a new part, to which its own event belongs
        part.append(part[-1] + (1 if events[i].drops and not mixed else 0))
    part = part[1:]
    found: list[tuple[tuple[object, ...], tuple[int, ...]]] = []
    usable = [p for p in range(len(order)) if steps[p] and times[p] >= rule.entry_from]
    if rule.entry == "first":
        held: tuple[int, ...] = ()
        for p in usable:
            if held and (times[p] - times[held[0]] > rule.window or part[p] != part[held[0]]):
                held = ()
            if not held and times[p] >= rule.entry_to:
                continue
            if _fit((*held, p), steps, len(rule.steps)):
                held = (*held, p)
                found.append(((-len(held), p), held))
    else:
        for size in range(1, len(rule.steps) + 1):
            for chosen in combinations(usable, size):
                start, end = chosen[0], chosen[-1]
                if (
                    times[start] < rule.entry_to
                    and times[end] - times[start] <= rule.window
                    and part[start] == part[end]
                    and _fit(chosen, steps, len(rule.steps))
                ):
                    key = (-size, end, -start, *(-p for p in reversed(chosen)))
                    found.append((key, chosen))
    longest = sorted(one for one in found if one[0][0] == min(found)[0][0])
    since = 0
    for _, chosen in longest:
        if chosen[0] < since:
            continue
        taints = [
            p
            for p in range(chosen[-1] + 1, len(order))
            if part[p] > part[p - 1] and times[p] - times[chosen[0]] <= rule.window
        ]
        whole = len(chosen) == len(rule.steps)
        if whole or not taints or not _hides(events[order[taints[0]][0]], rule):
            return [order[p][0] for p in chosen]
        since = taints[0]  # only an attempt after what tainted this one can be clean
    return []


def _hides(event: Event, rule: FunnelRule) -> bool:
    return any(rule.exclusions[x].mode == "drop_actor" for x in event.drops)


@dataclass
class Way:
    """What was done on one link: users by item, how often in all, and who did nothing else."""

    users: dict[str, set[int]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    direct: int = 0


def between(
    who: int, events: list[tuple[int, str]], moves: list[tuple[Any, int, int]], into: dict[Any, Way]
) -> None:
    """P10: one user's other events strictly between the times of each (link, from, until)."""
    for link, since, until in moves:
        way = into.setdefault(link, Way())
        runs = [item for item, _ in groupby(item for at, item in events if since < at < until)]
        way.direct += not runs
        way.times.update(runs)
        for item in runs:
            way.users.setdefault(item, set()).add(who)
