"""From a TOML file and the environment to `Settings`; every mistake names its line and its cure."""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from upwell.errors import Problem, Rejected, nearest
from upwell.settings.check import Names, mistakes
from upwell.settings.lines import Path as KeyPath
from upwell.settings.lines import line_of, lines_of
from upwell.settings.schema import Settings, Source

# Single tables: the environment overrides.
SECTIONS = ("workspace", "server", "identity", "smtp", "warehouse")


class ConfigError(Rejected):
    """The configuration is wrong; `problems` lists every mistake found, the first one in front."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        super().__init__(first.code, first.message, first.fix, first.where)
        self.problems = problems


def load(path: Path | None, env: Mapping[str, str], names: Names | None = None) -> Settings:
    """The settings of a file, with `UPWELL_SECTION_KEY` of the environment over them.

    Without a path: an empty workspace. `names` (metrics, event types) lets references to them be
    checked too. Raises ConfigError with file, line, and what to change.
    """
    text = _read(path) if path else ""
    where = str(path) if path else "the environment"
    data = _parse(text, where)
    places = lines_of(text)
    _override(data, env)
    finder = _Finder(where, places, env)
    hints = _sections(names.sources if names else ())
    problems = [finder.problem(*unknown) for unknown in _unknown(data, hints, ())]
    settings, wrong = _convert(data, hints, finder)
    problems += wrong
    if settings is not None:
        problems += [finder.problem(*mistake) for mistake in mistakes(settings, names or Names())]
    if problems:
        raise ConfigError(tuple(problems))
    assert settings is not None
    return settings


def secret(value: str, env: Mapping[str, str]) -> str:
    """The secret that `env:NAME` or `file:PATH` points to; any other text is itself.

    Read when it is needed, never kept. Raises ConfigError naming the variable or file missing.
    """
    if value.startswith("env:"):
        name = value.removeprefix("env:")
        if not env.get(name):
            raise _missing(
                f"The environment variable {name} is not set.",
                f"Set {name} where Upwell is started, or change '{value}' in the configuration.",
            )
        return env[name]
    if value.startswith("file:"):
        file = Path(value.removeprefix("file:"))
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise _missing(
                f"The secret file {file} cannot be read: {reason}.",
                "Create it, readable by Upwell's user only, or change the path.",
            ) from None
    return value


def _missing(message: str, fix: str) -> ConfigError:
    return ConfigError((Problem(code="missing_secret", message=message, fix=fix),))


class _Finder:
    """Turns a key's path into the place a person can go to."""

    def __init__(self, where: str, places: Mapping[KeyPath, int], env: Mapping[str, str]) -> None:
        self._where = where
        self._places = dict(places)
        self._env = env

    def problem(self, path: KeyPath, code: str, message: str, fix: str) -> Problem:
        """The problem at the path, with its file and line, or its environment variable."""
        return Problem(code=code, message=message, fix=fix, where=self.place(path))

    def place(self, path: KeyPath) -> str:
        """`FILE, line N`, or the environment variable that set the key."""
        variable = _variable(path)
        if len(path) > 1 and variable in self._env:
            return f"environment variable {variable}"
        line = line_of(self._places, path)
        return f"{self._where}, line {line}" if line else self._where


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            (
                Problem(
                    code="config_unreadable",
                    message=f"The configuration {path} cannot be read: {error.strerror}.",
                    fix="Give the right path with --config, or leave it out.",
                    where=str(path),
                ),
            )
        ) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(
            (
                Problem(
                    code="config_encoding",
                    message="The configuration holds a character that is not UTF-8.",
                    fix="Save the file as UTF-8.",
                    where=f"{path}, line {line}",
                ),
            )
        ) from None


_TOML_FIXES = (
    ("Cannot", "Give each key and each [table] once; tables that repeat are [[table]]."),
    ("at end of document", "Close what was opened: a ], a } or a quote is missing."),
    ("Expected '='", "Write it as: key = value."),
    ("Invalid value", "Put text in double quotes; true and false are lower case."),
    ("Illegal character", "Close the quotes on the same line."),
    ("Unescaped", "Write a backslash twice, or use single quotes."),
    ("Expected newline", "One key on a line; put text in double quotes."),
    ("Expected ']", "Close the table's name with the brackets it began with."),
)


def _parse(text: str, where: str) -> dict[str, Any]:
    text = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column (\d+)\)", message)
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        shown = text.splitlines()[line - 1].strip() if text.splitlines()[line - 1 :] else ""
        said = re.sub(r" \(at .*\)$", "", message)
        fix = next((cure for sign, cure in _TOML_FIXES if sign in message), "See toml.io.")
        raise ConfigError(
            (
                Problem(
                    code="broken_toml",
                    message=f"This is not valid TOML: {said}"
                    + (f", in `{shown[:80]}`." if shown else "."),
                    fix=fix,
                    where=f"{where}, line {line}",
                ),
            )
        ) from None


def _variable(path: KeyPath) -> str:
    return "UPWELL_" + "_".join(str(part).upper() for part in path)


def _override(data: dict[str, Any], env: Mapping[str, str]) -> None:
    for name in sorted(env):
        for section in SECTIONS:
            prefix = f"UPWELL_{section.upper()}_"
            if name.startswith(prefix) and isinstance(data.setdefault(section, {}), dict):
                key = name.removeprefix(prefix).lower()
                data[section][key] = _from_text(section, key, env[name])


def _from_text(section: str, key: str, text: str) -> Any:
    """The variable's text as the type its key has: lists are separated by commas."""
    hint = _fields(get_type_hints(Settings)[section]).get(key, str)
    if any(get_origin(part) is tuple for part in _alternatives(hint)):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(text, hint, strict=False)
    except msgspec.ValidationError:
        return text  # reported with the others, at this variable


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(part for each in get_args(hint) for part in _alternatives(each))
    return (hint,)


def _structs(hint: Any, data: Mapping[str, Any]) -> tuple[type[msgspec.Struct], ...]:
    """The structs that the data may be; one of a tagged union where the tag is known."""
    found = tuple(
        each
        for each in _alternatives(hint)
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    )
    tagged = tuple(
        each for each in found if each.__struct_config__.tag == data.get("kind", object())
    )
    return tagged or found


def _sections(sources: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    """What each section of the file holds, with the kinds of source that were added."""
    hints = _fields(Settings)
    one: Any = Union.__getitem__((Source, *sources))  # a union that is known at run time only
    hints["sources"] = tuple[one, ...]
    return hints


def _unknown_keys(
    data: Mapping[str, Any], hint: Any, path: KeyPath
) -> Iterator[tuple[KeyPath, str, str, str]]:
    structs = _structs(hint, data)
    if len(structs) > 1:
        return  # of which kind it is comes first
    known: dict[str, Any] = {}
    for struct in structs:
        known |= _fields(struct)
        if struct.__struct_config__.tag:
            known["kind"] = str
    yield from _unknown(data, known, path)


def _unknown(
    data: Mapping[str, Any], known: Mapping[str, Any], path: KeyPath
) -> Iterator[tuple[KeyPath, str, str, str]]:
    for key, value in data.items():
        if key not in known:
            table = ".".join(str(part) for part in path if isinstance(part, str))
            place = f"in [{table}]" if table else "at the top of the file"
            yield (
                (*path, key),
                "unknown_key",
                f"Unknown key '{key}' {place}.",
                nearest(key, known),
            )
            continue
        for alternative in _alternatives(known[key]):
            if isinstance(value, dict) and _structs(alternative, value):
                yield from _unknown_keys(value, alternative, (*path, key))
            elif isinstance(value, list) and get_origin(alternative) is tuple:
                inner = get_args(alternative)[0]
                for index, item in enumerate(value):
                    if isinstance(item, dict) and _structs(inner, item):
                        yield from _unknown_keys(item, inner, (*path, key, index))


def _convert(
    data: Mapping[str, Any], hints: Mapping[str, Any], finder: _Finder
) -> tuple[Settings | None, list[Problem]]:
    """Each table by itself, so that one run names every mistake."""
    problems: list[Problem] = []
    parts: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in data:
            continue
        value = data[name]
        if get_origin(hint) is tuple and isinstance(value, list):
            inner = get_args(hint)[0]
            parts[name] = tuple(
                _one(item, inner, (name, index), finder, problems)
                for index, item in enumerate(value)
            )
        else:
            parts[name] = _one(value, hint, (name,), finder, problems)
    return (None if problems else Settings(**parts)), problems


def _one(value: Any, hint: Any, path: KeyPath, finder: _Finder, problems: list[Problem]) -> Any:
    value = _without_unknown(value, hint)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        inner, code, message, fix = _translate(str(error), value, hint)
        problems.append(finder.problem((*path, *inner), code, message, fix))
        return None


def _without_unknown(value: Any, hint: Any) -> Any:
    """The value less its unknown keys, which are reported by themselves."""
    if isinstance(value, dict) and (structs := _structs(hint, value)):
        known: dict[str, Any] = {"kind": str}
        for struct in structs:
            known |= _fields(struct)
        return {
            key: _without_unknown(item, known[key]) for key, item in value.items() if key in known
        }
    if isinstance(value, list):
        for alternative in _alternatives(hint):
            if get_origin(alternative) is tuple:
                return [_without_unknown(item, get_args(alternative)[0]) for item in value]
    return value


_WORDS = {
    "str": "text in quotes",
    "int": "a whole number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "a list in [brackets]",
    "object": "a table",
    "date": "a day, as 2026-12-31",
    "null": "nothing",
    "float": "a number",
}


def _translate(said: str, value: Any, hint: Any) -> tuple[KeyPath, str, str, str]:
    """msgspec's sentence as (path within the table, code, message, fix) in the file's words."""
    text, _, at = said.partition(" - at `$")
    inner: KeyPath = tuple(
        int(index) if index else key
        for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", at.rstrip("`"))
    )
    key = next((str(part) for part in reversed(inner) if isinstance(part, str)), "")
    if found := re.match(r"Object missing required field `(\w+)`", text):
        name = found[1]
        return (inner, "missing_key", f"'{name}' is missing.", f'Add: {name} = "…".')
    if text.startswith("Invalid enum value") or text.startswith("Invalid value"):
        given = _at(value, inner)
        choices = _choices(hint, inner, value)
        return (
            inner,
            "bad_value",
            f"'{given}' is not possible for '{key}'.",
            nearest(str(given), choices) if choices else "",
        )
    if found := re.match(r"Expected `([^`]+)`, got `(\w+)`", text):
        wanted = " or ".join(_WORDS.get(word.strip(), word) for word in found[1].split("|"))
        got = _WORDS.get(found[2], found[2])
        return (
            inner,
            "bad_type",
            f"'{key}' has to be {wanted}, not {got}.",
            f"Write {wanted}.",
        )
    if "matching regex" in text and key == "budget":
        return (
            inner,
            "bad_value",
            f"'{_at(value, inner)}' is not a budget.",
            'Write it as: budget = "2 a month" (a day, a week, a month, a year).',
        )
    if "date" in text:
        given = _at(value, inner)
        return (inner, "bad_value", f"'{given}' is no day.", f"Write it as: {key} = 2026-12-31.")
    said = text.replace("`", "")
    return (
        inner,
        "bad_value",
        f"'{key}' is wrong: {said[0].lower()}{said[1:]}.",
        f"Change '{key}'.",
    )


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value[part]
    return value


def _choices(hint: Any, path: KeyPath, value: Any) -> list[str]:
    """The words that a Literal (or the tag of a union) at the path allows."""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            hint = next(get_args(a)[0] for a in _alternatives(hint) if get_origin(a) is tuple)
            continue
        if part == "kind" and depth == len(path) - 1:
            tags = [str(s.__struct_config__.tag) for s in _alternatives(hint) if _tag(s)]
            if tags:
                return tags
        struct = _structs(hint, value if isinstance(value, dict) else {})[0]
        hint = _fields(struct)[part]
    return [str(word) for each in _alternatives(hint) for word in get_args(each)]


def _tag(struct: Any) -> Any:
    return struct.__struct_config__.tag if hasattr(struct, "__struct_config__") else None
