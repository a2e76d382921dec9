"""The settings as text: the reference page, and the file that would give the same settings."""

from __future__ import annotations

import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import tomli_w

from upwell.settings.schema import Settings

HIDDEN = "(inline, hidden)"

_HEAD = """# Configuration

One TOML file, given with `--config` or `UPWELL_CONFIG`; else `upwell.toml` in the working
directory, else in the data directory. Every key has a default unless it says *required*. A key
that Upwell does not know is an error that names the nearest one. `upwell check` reads the file
and says on which line something is wrong and what to change.

Secrets are `env:NAME` (an environment variable) or `file:PATH`, read when they are needed.
Keys of `[workspace]`, `[server]`, `[identity]`, `[smtp]` and `[warehouse]` can be set by the
environment: `UPWELL_WORKSPACE_TIMEZONE=Europe/Berlin`; lists are separated by commas. Spans of
time are written `30s`, `5m`, `2h`, `14d`.

This page is made by `python -m upwell.settings`.
"""


def reference() -> str:
    """docs/reference/configuration.md: each table and key with type, default and sentence."""
    parts = [_HEAD]
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        parts += _tables(name, hint)
    return "\n".join(parts)


class TableKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a table as a form asks for it.

    `type` is text, number, choice (one of `choices`), bool, list, map or tables.
    """

    name: str
    type: Literal["text", "number", "choice", "bool", "list", "map", "tables"]
    description: str
    required: bool
    secret: bool
    default: str = ""
    choices: tuple[str, ...] = ()


def keys_of(struct: type[msgspec.Struct]) -> tuple[TableKey, ...]:
    """The keys of a table, in its order."""
    hints = get_type_hints(struct, include_extras=True)
    found = []
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        core = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        choices = tuple(map(str, get_args(core))) if get_origin(core) is Literal else ()
        found.append(
            TableKey(
                name=field.encode_name,
                type=_asked(core),
                description=" ".join(meta.description or "" for meta in _metas(hint)).strip(),
                required=field.required,
                secret=_secret(hint),
                default=str(field.default)
                if isinstance(field.default, str | int | Decimal)
                else "",
                choices=choices,
            )
        )
    return tuple(found)


def _plainly(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, str | int | float | Decimal) else ""


def _asked(core: Any) -> Literal["text", "number", "choice", "bool", "list", "map", "tables"]:
    origin = get_origin(core)
    if origin is Literal:
        return "choice"
    if origin is dict:
        return "map"
    if origin is tuple:
        return "tables" if _is_struct(get_args(core)[0]) else "list"
    if core is bool:
        return "bool"
    return "number" if core in (int, float, Decimal) else "text"


def export(settings: Settings) -> str:
    """The settings as TOML, defaults left out; secrets written inline are hidden."""
    return tomli_w.dumps(_plain(settings))


def _plain(value: Any) -> Any:
    if not isinstance(value, msgspec.Struct):
        if isinstance(value, Decimal):
            return int(value) if value == int(value) else float(value)
        if isinstance(value, tuple):
            return [_plain(item) for item in value]
        return value
    hints = get_type_hints(type(value), include_extras=True)
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(value):
        item = getattr(value, field.name)
        if item is None or item == field.default:
            continue
        if isinstance(field.default_factory, type) and item == field.default_factory():
            continue
        if _secret(hints[field.name]) and not str(item).startswith(("env:", "file:")):
            item = HIDDEN
        found[field.encode_name] = _plain(item)
    tag = value.__struct_config__.tag
    return {"id": found.pop("id"), "kind": tag, **found} if tag else found


def _secret(hint: Any) -> bool:
    return any((meta.extra or {}).get("secret") for meta in _metas(hint))


def _metas(hint: Any) -> tuple[msgspec.Meta, ...]:
    if get_origin(hint) is not Annotated:
        return ()
    return tuple(meta for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta))


def _tables(name: str, hint: Any) -> Iterator[str]:
    array = get_origin(hint) is tuple
    inner = get_args(hint)[0] if array else hint
    heading = f"[[{name}]]" if array else f"[{name}]"
    structs = get_args(inner) if get_origin(inner) in (Union, types.UnionType) else (inner,)
    for struct in structs:
        tag = struct.__struct_config__.tag
        yield f"## `{heading}`" + (f" of kind `{tag}`" if tag else "") + "\n"
        yield f"{struct.__doc__}\n"
        yield from _keys(name, struct)


def _keys(name: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | type | default | |\n|---|---|---|---|"
    hints = get_type_hints(struct, include_extras=True)
    later: list[tuple[str, Any]] = []
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        said = " ".join(meta.description or "" for meta in _metas(hint)).strip()
        yield f"| `{field.encode_name}` | {_type(hint)} | {_default(field)} | {said} |"
        core = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if get_origin(core) is tuple and _is_struct(get_args(core)[0]):
            later.append((f"{name}.{field.encode_name}", core))
    yield ""
    for inner, hint in later:
        yield from _tables(inner, hint)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "*required*"
    if field.default is msgspec.NODEFAULT or field.default in ((), "", None):
        return ""
    value = _plain(field.default)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


_TYPES = {
    "str": "text",
    "int": "whole number",
    "Decimal": "number",
    "bool": "true or false",
    "date": "day",
}


def _type(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Annotated:
        return _type(get_args(hint)[0])
    if origin is Literal:
        return " ".join(f"`{word}`" for word in get_args(hint))
    if origin in (Union, types.UnionType):
        kinds = [_type(each) for each in get_args(hint) if each is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if _is_struct(hint):
        return "table"
    if origin is tuple:
        return "tables" if _is_struct(get_args(hint)[0]) else f"list of {_type(get_args(hint)[0])}"
    if origin is dict:
        return "table"
    return _TYPES.get(getattr(hint, "__name__", ""), "text")
