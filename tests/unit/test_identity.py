"""Which customers are one: rules, what people say by hand, and what stays apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.projection.identity import (
    BY_HAND,
    RULES,
    Group,
    Payer,
    groups,
    joined,
    parted,
    trait,
)

ANN = Payer("shop:1", "ann@acme.example", "A1", 10)
BOB = Payer("app:2", "bob@acme.example", "A1", 5)
CAT = Payer("app:3", "Bob@Acme.example ", "", None)
DAN = Payer("eu:4", "dan@gmail.com")
EVE = Payer("eu:5", "eve@gmail.com")
NOBODY = (Payer("x:1"), Payer("x:2"))
ALL = (ANN, BOB, CAT, DAN, EVE, *NOBODY)


def test_rules_join_and_who_is_joined_with_one_is_joined_with_all() -> None:
    assert groups(ALL, ("external_id", "email")) == [
        Group(("app:2", "shop:1", "app:3"), ("external_id", "external_id", "email"))
    ]
    assert groups(ALL, ("email",)) == [Group(("app:2", "app:3"), ("email", "email"))]
    assert groups(ALL, ()) == []


def test_a_domain_joins_a_business_and_not_those_of_a_mail_provider() -> None:
    assert groups(ALL, ("domain",)) == [
        Group(("app:2", "shop:1", "app:3"), ("domain",) * 3),
    ]
    assert groups((DAN, EVE), RULES) == []


def test_a_business_is_its_registered_domain() -> None:
    def domain(email: str) -> str:
        return trait(Payer("x:1", email), "domain")

    assert domain("a@mail.eu.acme.co.uk") == domain("B@ACME.co.uk") == "acme.co.uk"
    assert domain("a@acme.co.uk") != domain("a@other.co.uk")
    assert domain("a@shop.example") == "shop.example"
    assert [domain(f"a@{host}") for host in ("co.uk", "mx.gmail.com", "yahoo.co.uk")] == [""] * 3


def test_a_field_of_the_metadata_joins_by_its_name() -> None:
    one = Payer("shop:1", metadata={"crm id": " 7 ", "team": "a"})
    two, other = Payer("eu:2", metadata={"crm id": "7"}), Payer("eu:3", metadata={"team": ""})
    rule = "metadata.crm id"
    assert groups((one, two, other), (rule,)) == [Group(("eu:2", "shop:1"), (rule,) * 2)]
    assert groups((one, two, other), ("metadata.team", "metadata.none")) == []


@pytest.mark.parametrize("email", ["", "nobody", "@", "a@", " "])
def test_what_is_no_address_joins_nobody(email: str) -> None:
    two = [Payer("a:1", email), Payer("a:2", email)]
    assert groups(two, ("domain",)) == []
    assert trait(two[0], "domain") == ""


def test_people_join_and_part_before_all_rules() -> None:
    by_hand = joined((), ["eu:4", "shop:1"])
    assert groups(ALL, ("external_id",), by_hand) == [
        Group(("app:2", "shop:1", "eu:4"), ("external_id", BY_HAND, BY_HAND))
    ]
    assert groups(ALL, RULES, (), ["app:2"]) == [Group(("shop:1", "app:3"), ("domain",) * 2)]
    assert groups(ALL, (), joined((), ["eu:4", "gone:9"])) == []


def test_groups_by_hand_grow_together_and_shrink() -> None:
    two = joined(joined((), ["b:1", "a:1"]), ["d:1", "c:1"])
    assert two == (("a:1", "b:1"), ("c:1", "d:1"))
    one = joined(two, ["b:1", "c:1"])
    assert one == (("a:1", "b:1", "c:1", "d:1"),)
    assert parted(one, "a:1") == (("b:1", "c:1", "d:1"),)
    assert parted(two, "a:1") == (("c:1", "d:1"),)
    assert joined(two, ["a:1", "b:1"]) == two


PAYERS = st.lists(
    st.builds(
        Payer,
        name=st.integers(0, 30).map("a:{}".format),
        email=st.sampled_from(("", "x@acme.example", "y@acme.example", "x@gmail.com", "z@b.org")),
        external=st.sampled_from(("", "", "1", "2")),
        created=st.sampled_from((None, 1, 2)),
    ),
    unique_by=lambda payer: payer.name,
    max_size=12,
)
HANDS = st.lists(
    st.lists(st.integers(0, 30).map("a:{}".format), min_size=2, max_size=3, unique=True),
    max_size=2,
)


@given(PAYERS, HANDS, st.permutations(RULES), st.data())
def test_groups_do_not_depend_on_order(
    payers: list[Payer], hands: list[list[str]], rules: list[str], data: st.DataObject
) -> None:
    by_hand: tuple[tuple[str, ...], ...] = ()
    for names in hands:
        by_hand = joined(by_hand, names)
    alone = data.draw(st.sets(st.integers(0, 30).map("a:{}".format), max_size=2))
    found = groups(payers, rules, by_hand, alone)
    assert groups(data.draw(st.permutations(payers)), rules, by_hand, alone) == found
    members = [name for group in found for name in group.members]
    assert len(members) == len(set(members))
    known = {payer.name: payer for payer in payers}
    for one in payers:
        for other in payers:
            alike = any(trait(one, rule) == trait(other, rule) != "" for rule in rules)
            if one != other and alike and not {one.name, other.name} & alone:
                assert any({one.name, other.name} <= set(group.members) for group in found)
    for group in found:
        assert len(group.members) == len(group.rules) > 1
        assert set(group.members) <= set(known)
