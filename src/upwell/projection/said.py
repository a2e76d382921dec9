"""What identity events say: who is one with whom, by which trait, and what is taken back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import xxhash

from upwell.projection.identity import Payer, trait

KINDS = ("identify", "merge", "unmerge")
EXTERNAL = "external_id"
_TRAIT = 1 << 63  # marks a trait among the nodes; the others are numbers of actors

# Ids that programs send for everybody whom they do not know. Joining by one would make one person
# of thousands.
NOBODY = frozenset((
    "", "0", "-1", "anonymous", "distinct_id", "email", "false", "guest", "id", "nan", "nil",
    "none", "not_authenticated", "null", "[object object]", "true", "undefined", "unknown",
    "user", "user_id",
))  # fmt: skip


class Said(NamedTuple):
    """An actor is one with another of its product, or has a trait; with `cuts` it no longer is.

    A cut that names nobody parts the actor from everybody.
    """

    other: str = ""
    trait: int = 0
    cuts: bool = False


def said(
    product: str, actor: str, kind: str, metadata: str | None, rules: Sequence[str]
) -> Iterator[Said]:
    """What one identity event says, under the workspace's rules; nothing where it names nobody."""
    traits: dict[str, Any] = msgspec.json.decode(metadata) if metadata else {}
    if kind == "unmerge":
        other = _id(traits, "into")
        if other or "into" not in traits:  # an `into` that names nobody parts nobody
            yield Said(other=other, cuts=True)
        return
    if _nobody(actor):
        return
    names = ("into",) if kind == "merge" else ("anonymous_id", "user_id")
    for name in names:
        other = _id(traits, name)
        if other and other != actor:
            yield Said(other=other)
    if kind == "identify":
        yield from (Said(trait=one) for one in _traits(product, traits, rules))


def trait_of(payer: Payer, rules: Sequence[str]) -> list[int]:
    """The nodes of what is known of somebody, by rules that hold over all products."""
    found = ((rule, trait(payer, rule)) for rule in rules)
    return [_node(rule, value) for rule, value in found if value and not _nobody(value)]


def _traits(product: str, traits: dict[str, Any], rules: Sequence[str]) -> list[int]:
    texts = {name: str(value) for name, value in traits.items() if value is not None}
    payer = Payer("", texts.get("email", ""), texts.get(EXTERNAL, ""), None, texts)
    found = trait_of(payer, rules)
    external = trait(payer, EXTERNAL)
    if (
        external and EXTERNAL not in rules and not _nobody(external)
    ):  # one's own id tells who is who within the product
        found.append(_node(EXTERNAL, external, product))
    return found


def _id(traits: dict[str, Any], name: str) -> str:
    value = traits.get(name)
    text = "" if value is None or isinstance(value, bool) else str(value)
    return "" if _nobody(text) else text


def _nobody(text: str) -> bool:
    return text.strip().lower() in NOBODY


def _node(rule: str, value: str, product: str = "") -> int:
    return xxhash.xxh3_64_intdigest(f"{rule}\0{product}\0{value}".encode()) | _TRAIT
