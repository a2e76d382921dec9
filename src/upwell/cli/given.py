"""What commands are given: pairs of KEY=VALUE, and secrets by where they are, or typed."""

from __future__ import annotations

import os
import sys

import click

from upwell import settings


def pairs_of(keys: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE as a table; secrets are read where they are."""
    found = {}
    for pair in keys:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--set {pair}: write KEY=VALUE")
        pointed = value.startswith(("env:", "file:"))
        found[key] = secret_at(value, f"--set {key}") if pointed else value
    return found


def pointed(keys: tuple[str, ...]) -> dict[str, str]:
    """KEY=env:NAME or file:PATH as secrets."""
    found = [pair.partition("=") for pair in keys]
    return {key: secret_at(pointer, f"--set {key}") for key, _, pointer in found}


def prompted(kind: str) -> dict[str, str]:
    """The secrets of a kind, typed; what is left empty is not among them."""
    from upwell.app.connecting import secrets_of  # only who is asked waits for its import

    names = secrets_of(kind)
    if not sys.stdin.isatty():
        raise click.UsageError(f"write --set {names[-1]}=env:NAME or file:PATH")
    typed = {
        name: click.prompt(
            f"{name.replace('_', ' ').capitalize()} (empty: as it is)",
            hide_input=True,
            default="",
            show_default=False,
        ).strip()
        for name in names
    }
    return {name: text for name, text in typed.items() if text}


def secret_at(pointer: str | None, option: str) -> str:
    """What a pointer leads to, or what is typed where there is none."""
    if pointer is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{option} is missing: write {option} env:NAME or file:PATH")
        typed: str = click.prompt("Restricted key of Stripe", hide_input=True)
        return typed.strip()
    if not pointer.startswith(("env:", "file:")):
        raise click.UsageError(
            f"{option} takes env:NAME or file:PATH: a secret on the command line stays in the "
            "shell's history"
        )
    return settings.secret(pointer, os.environ)
