"""Which customers of several accounts are one company, by rules that everybody can read. Pure.

A rule names a trait: one of RULES, or `metadata.KEY`, the accounts' own field of that name.
Customers with the same trait are one, and so is who is one with one of them; a customer without the
trait joins nobody by it. What people joined or parted by hand comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from publicsuffixlist import PublicSuffixList

RULES = ("external_id", "email", "domain")
METADATA = "metadata."
BY_HAND = "by hand"

_PROVIDERS = """
    aol.com bk.ru duck.com email.com fastmail.com free.fr freenet.de gmail.com
    gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com
    hotmail.de hotmail.fr hotmail.it hushmail.com icloud.com inbox.ru laposte.net libero.it
    list.ru live.co.uk live.com live.de live.fr live.nl mac.com mail.com mail.ru mailbox.org
    me.com msn.com naver.com orange.fr outlook.com outlook.de outlook.fr pm.me posteo.de
    privaterelay.appleid.com proton.me protonmail.ch protonmail.com qq.com rediffmail.com
    rocketmail.com seznam.cz sina.com t-online.de tuta.com tuta.io tutanota.com uol.com.br
    users.noreply.github.com wanadoo.fr web.de wp.pl ya.ru yahoo.ca yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru
    ymail.com zoho.com 126.com 163.com
"""
FREE_MAIL = frozenset(_PROVIDERS.split())


class Payer(NamedTuple):
    """A customer of one account as far as rules look at it; `name` is `source:id`."""

    name: str
    email: str = ""
    external: str = ""
    created: int | None = None
    metadata: Mapping[str, str] = {}


class Group(NamedTuple):
    """Customers that are one, the first known first, and by which rule each belongs to them."""

    members: tuple[str, ...]
    rules: tuple[str, ...]


def trait(payer: Payer, rule: str) -> str:
    """What a rule compares of a customer; '' where the customer has no such trait."""
    if rule == "external_id":
        return payer.external.strip()
    if rule.startswith(METADATA):
        return payer.metadata.get(rule.removeprefix(METADATA), "").strip()
    email = payer.email.strip().lower()
    if rule == "email":
        return email if "@" in email else ""
    return _business(email.rpartition("@")[2]) if "@" in email else ""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _business(host: str) -> str:
    """The domain that somebody registered for a host's business; '' for a mail provider's.

    By the Public Suffix List (publicsuffix.org): mail.acme.co.uk is acme.co.uk.
    """
    domain = _suffixes().privatesuffix(host) or ""
    return "" if FREE_MAIL.intersection((host, domain)) else domain


def groups(
    payers: Iterable[Payer],
    rules: Sequence[str],
    by_hand: Iterable[Sequence[str]] = (),
    alone: Iterable[str] = (),
) -> list[Group]:
    """The customers that are one, in groups of two or more; the same whatever the order.

    `by_hand` are joined whatever the rules say; `alone` are joined by no rule. The rule of a member
    is the first by which it has a trait in common with another.
    """
    known = {payer.name: payer for payer in payers}
    apart = frozenset(alone)
    parents: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for rule, names in _shared(known, rules, by_hand, apart):
        first = names[0]
        for name in names:
            reasons.setdefault(name, rule)
            _unite(parents, first, name)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in reasons:
        found[_root(parents, name)].append(name)
    listed = []
    for names in found.values():
        members = tuple(sorted(names, key=lambda name: _age(known, name)))
        listed.append(Group(members, tuple(reasons[name] for name in members)))
    return sorted(listed)


def joined(by_hand: Iterable[Sequence[str]], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The groups made by hand after these customers were joined, too."""
    one, others = set(names), []
    for group in by_hand:
        if one.isdisjoint(group):
            others.append(tuple(group))
        else:
            one.update(group)
    return tuple(sorted((*others, tuple(sorted(one)))))


def parted(by_hand: Iterable[Sequence[str]], name: str) -> tuple[tuple[str, ...], ...]:
    """The groups made by hand after this customer was taken out."""
    left = [tuple(member for member in group if member != name) for group in by_hand]
    return tuple(sorted(group for group in left if len(group) > 1))


def _shared(
    known: Mapping[str, Payer],
    rules: Sequence[str],
    by_hand: Iterable[Sequence[str]],
    apart: frozenset[str],
) -> Iterable[tuple[str, Sequence[str]]]:
    """Each rule with the customers that have one trait, those made by hand before all."""
    for group in by_hand:
        present = [name for name in group if name in known]
        if len(present) > 1:
            yield BY_HAND, present
    for rule in rules:
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for name, payer in known.items():
            value = trait(payer, rule) if name not in apart else ""
            if value:
                alike[value].append(name)
        for names in alike.values():
            if len(names) > 1:
                yield rule, names


def _age(known: Mapping[str, Payer], name: str) -> tuple[bool, int, str]:
    created = known[name].created
    return created is None, created or 0, name


def _root(parents: dict[str, str], name: str) -> str:
    while (above := parents.get(name, name)) != name:
        parents[name] = parents.get(above, above)
        name = above
    return name


def _unite(parents: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first
