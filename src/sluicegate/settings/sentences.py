"""What pydantic found, said in plain sentences that tell what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from textwrap import shorten
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sluicegate.settings.model import Settings, Table
from sluicegate.settings.problems import Finding, Path, figure, place, shown

_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "finite_number": "a finite number",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_MOST_KEYS = 75  # characters of a list of keys
_TABLES = ("model_type", "model_attributes_type", "dict_type", "mapping_type")


def findings_of(error: ValidationError, document: Any, root: type[BaseModel] = Settings) -> list[Finding]:
    """One finding per place that is wrong, in pydantic's order. `root` is the model of the whole document."""
    found: dict[Path, Finding] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic counts the right entries only, and the wrong ones are reported themselves
        # A key of a mapping is reported at the key with this mark behind it.
        path = tuple(step for step in detail["loc"] if step != "[key]")
        found.setdefault(path, Finding(path, _sentence(path, dict(detail), document, root)))
    return list(found.values())


def _sentence(path: Path, detail: dict[str, Any], document: Any, root: type[BaseModel]) -> str:
    kind, value, context = str(detail["type"]), detail.get("input"), detail.get("ctx") or {}
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind == "missing":
        return _missing(path, root)
    if kind == "extra_forbidden":
        return _unknown(path, root)
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, and is {shown(value)}{_quotes(kind, value)}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {figure(context[key])}, and is {shown(value)}"
    if kind == "literal_error":
        return _choice(path, value, root)
    if kind in _TABLES:
        head = _listed(path) if isinstance(path[-1], int) else f"[{place(path, document)}]"
        return f"must be a table, {head}, and is {shown(value)}"
    if kind == "tuple_type":
        return _list(path, value, root)
    if kind in ("too_short", "too_long"):
        return _length(kind, path, context, root)
    return str(detail["msg"])


def _missing(path: Path, root: type[BaseModel]) -> str:
    field = _field(path, root)
    if path == ("user",):
        return "there is no User: add at least one [[user]], or every request is refused"
    if field is None or not field.examples:
        return f"is missing: add the table [{'.'.join(map(str, path))}]"
    return f"is missing: add it, for example `{path[-1]} = {json.dumps(field.examples[0])}`"


def _unknown(path: Path, root: type[BaseModel]) -> str:
    key = str(path[-1])
    known = keys_at(path[:-1], root)
    close = get_close_matches(key[:100], known, n=1, cutoff=0.6)
    if close:
        return f"is not a key of this table: did you mean `{close[0]}`?"
    homes = [table for table, keys in _tables(root) if key in keys]
    if homes:
        return f"is not a key of this table: it belongs in {homes[0]}"
    listed = shorten(", ".join(known), _MOST_KEYS, placeholder=" …")
    return f"is not a key of this table: take it out. The keys are {listed}"


def _quotes(kind: str, value: Any) -> str:
    if kind == "string_type" or not isinstance(value, str):
        return ""
    if kind == "bool_type":
        return ": take the quotes away" if value in ("true", "false") else ""
    try:
        float(value)
    except ValueError:
        return ""
    return ": take the quotes away"


def _choice(path: Path, value: Any, root: type[BaseModel]) -> str:
    field = _field(path, root)
    choices = [str(choice) for choice in get_args(field.annotation)] if field else []
    said = f"must be one of {', '.join(map(shown, choices))}, and is {shown(value)}"
    wanted = str(value).casefold()
    close = [c for c in choices if c.casefold() == wanted] or get_close_matches(wanted[:100], choices, n=1)
    return f"{said}: did you mean {shown(close[0])}?" if isinstance(value, str) and close else said


def _listed(path: Path) -> str:
    """The heading of one of a list of tables."""
    return f"[[{'.'.join(step for step in path if isinstance(step, str))}]]"


def _list(path: Path, value: Any, root: type[BaseModel]) -> str:
    field = _field(path, root)
    if field and table_in(field.annotation) and path[-1] != "ids":
        what = {"user": "a User", "csp": "a CSP"}.get(str(path[0]) if len(path) == 1 else "", f"a {path[-1]}")
        return f"{what} is written as {_listed(path)}, with two brackets on each side"
    what = f"[{shown(value)}]" if isinstance(value, str) and len(value) < 60 else "[...]"
    return f"must be a list: write `{path[-1]} = {what}`"


def _length(kind: str, path: Path, context: dict[str, Any], root: type[BaseModel]) -> str:
    if kind == "too_short":
        return "must not be empty" if path != ("user",) else _missing(path, root)
    has = context.get("actual_length") or "more"
    return f"must have at most {context['max_length']:,} entries, and has {has}"


def keys_at(path: Path, root: type[BaseModel]) -> list[str]:
    """The keys that the table at a place may have; none where there is no table."""
    model = _model(path, root)
    return list(_fields(model)) if model else []


def _field(path: Path, root: type[BaseModel]) -> FieldInfo | None:
    model = _model(path[:-1], root)
    return _fields(model).get(str(path[-1])) if model else None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a table by their names in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model(path: Path, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the table at a place; an index is passed over."""
    model: type[BaseModel] | None = root
    for step in path:
        if isinstance(step, str) and model is not None:
            field = _fields(model).get(step)
            model = table_in(field.annotation) if field else None
    return model


def table_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds, perhaps inside `| None` or `tuple[...]`; None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((found for found in map(table_in, get_args(annotation)) if found), None)


def _tables(model: type[BaseModel], name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each table of the file as it is headed, with its keys."""
    for key, field in _fields(model).items():
        inner = table_in(field.annotation)
        if inner is not None:
            path = f"{name}.{key}" if name else key
            listed = get_origin(field.annotation) is tuple
            yield (f"[[{path}]]" if listed else f"[{path}]"), list(_fields(inner))
            yield from _tables(inner, path)
