"""What the documents promise is there: commands and their options, targets, modules, links."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from upwell.cli import upwell

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Fragment(NamedTuple):
    """A piece of code in a document: one line of a block, or what stands between backticks."""

    page: str
    text: str


def fragments(text: str, page: str) -> Iterator[Fragment]:
    """The pieces of code of a page; lines that go on are joined, comments are left out."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield Fragment(page, re.sub(r"\s#\s.*", "", line).strip())
    for code in INLINE.findall(FENCED.sub("", text)):
        yield Fragment(page, code.replace("\\|", "|").strip())


def said() -> list[Fragment]:
    """All pieces of code in all documents."""
    return [
        fragment
        for page in PAGES
        for fragment in fragments(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
    ]


def unknown(text: str) -> str | None:
    """What a call of `upwell` names that there is not; None where all is known."""
    words = text.split()[1:]
    command: click.Command = upwell
    while isinstance(command, click.Group) and words and re.match(r"[a-z]", words[0]):
        names = words.pop(0).split("|")
        for name in names:
            if name not in command.commands:
                return f"{command.name} {name}"
        command = command.commands[names[0]]
    known = {"--help", *(option for p in command.params for option in p.opts + p.secondary_opts)}
    options = [word.split("=")[0].strip("[]") for word in words if word.startswith(("-", "[-"))]
    return next((f"{command.name} {option}" for option in options if option not in known), None)


def test_the_reader_of_documents_sees_what_is_wrong() -> None:
    page = "Say `upwell quary x`, or:\n```sh\nupwell key \\\n  create --nam x  # one\n```\n"
    found = [fragment.text for fragment in fragments(page, "page")]
    assert found == ["upwell key    create --nam x", "upwell quary x"]
    assert [unknown(text) for text in found] == ["create --nam", "upwell quary"]
    assert unknown("upwell key create|list --name x") is None


def test_every_command_in_the_documents_exists() -> None:
    calls = [
        Fragment(page, text.removeprefix(".venv/bin/"))
        for page, text in said()
        if text.removeprefix(".venv/bin/").startswith("upwell ")
    ]
    assert len(calls) > 15
    wrong = [(page, missing) for page, text in calls if (missing := unknown(text))]
    assert wrong == []


def test_every_target_script_and_module_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = json.loads((ROOT / "ui/package.json").read_text())["scripts"].keys()
    missing = []
    for page, text in said():
        made = re.findall(r"^make ([a-z-]+)", text)
        built = re.findall(r"npm run ([a-z:-]+)", text)
        started = re.findall(r"python -m ((?:upwell|bench)[\w.]*)", text)
        missing += [(page, name) for name in made if name not in targets]
        missing += [(page, name) for name in built if name not in scripts]
        missing += [(page, name) for name in started if importlib.util.find_spec(name) is None]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [link for link in links if link and "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_decision_and_guide_is_in_an_index() -> None:
    decisions = ROOT / "docs/decisions"
    index = set(LINK.findall((decisions / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in decisions.glob("*.md")} - {"README.md"} - index == set()
    front = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    for folder in ("guide", "reference"):
        pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs" / folder).glob("*.md")}
        assert pages - front == set()
