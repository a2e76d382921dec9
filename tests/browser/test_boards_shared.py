"""One board and two people: who is overtaken is told, and loses nothing."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import House
from tests.browser.test_boards import REVENUE, SIGNUPS, Visitor, board_of, made, saved, tile


def test_two_who_arrange_one_board_are_told_of_each_other(acme: House, visitor: Visitor) -> None:
    ada, bob = visitor(acme), visitor(acme)
    ada.go("/boards")
    made(ada, SIGNUPS, REVENUE, name="Ours")
    bob.go(ada.where())
    ada.page.get_by_role("button", name="Take Signups away").click()
    saved(ada.page)
    theirs = board_of(ada)

    bob.forgive("409")
    bob.page.get_by_role("button", name="Take Net revenue away").click()
    told = bob.page.get_by_role("alert")
    expect(told).to_contain_text("Somebody else changed this board meanwhile.")
    expect(tile(bob.page, "Signups")).to_have_count(0)
    expect(tile(bob.page, "Net revenue")).to_be_visible()
    assert board_of(bob) == theirs
    assert bob.barriers() == []

    told.get_by_role("button", name="Keep mine as a copy").click()
    expect(bob.page.get_by_role("heading", name="Ours, a copy")).to_be_attached()
    expect(tile(bob.page, "Signups")).to_be_visible()
    assert [one["metric"] for one in board_of(bob)["tiles"]] == ["signups"]
    assert board_of(ada) == theirs
