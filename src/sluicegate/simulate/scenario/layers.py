"""A scenario file and those that it extends, laid one over the other; and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluicegate.settings.locate import lines_of
from sluicegate.settings.problems import Path as Place
from sluicegate.settings.problems import SettingsError, shown
from sluicegate.settings.reading import document_of, text_of
from sluicegate.simulate.scenario.problems import ScenarioError
from sluicegate.simulate.scenario.shelf import FILES, find

MOST_OCTETS = 1024 * 1024
MOST_LAYERS = 5


@dataclass
class Layers:
    """`document` is what the files say together; `origins` is the file and the line of each place in it."""

    document: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, tuple[str, int | None]] = field(default_factory=dict)

    def origin(self, place: Place) -> tuple[str, int | None] | None:
        """File and line of a place, or of the nearest one around it that has a line; None for the whole."""
        return next((self.origins[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.origins), None)

    def put(self, place: Place, value: Any, origin: tuple[str, int | None]) -> None:
        """Set one value; tables on the way to it are made. What is around it must be tables, or entries of lists."""
        node: Any = self.document
        for step in place[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
        node[place[-1]] = value
        for known in [known for known in self.origins if known[: len(place)] == place]:
            del self.origins[known]
        self.origins[place] = origin


def read_layers(name_or_path: str) -> Layers:
    """Read a scenario by its name or file, and what it extends. Raises ScenarioError."""
    layers = Layers()
    for source, text, document in reversed(list(_chain(name_or_path))):
        lines = lines_of(text, document)
        _lay(layers, _Layer(source, lines), document, (), ())
    return layers


def _chain(name_or_path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The file, then the one that it extends, and so on: (source, text, document)."""
    seen: list[Path] = []
    wanted, beside = name_or_path, None
    while True:
        path = find(wanted, beside)
        source = f"{path.name} (shipped)" if path.parent == FILES else str(path)
        try:
            text = text_of(path, MOST_OCTETS)
            document = document_of(text, source)
        except SettingsError as error:
            raise ScenarioError(error.lines()) from None
        yield source, text, document
        seen.append(path)
        extends = document.get("extends")
        if extends is None:
            return
        wanted, beside = _extended(extends, source, seen), path.parent


def _extended(extends: Any, source: str, seen: list[Path]) -> str:
    if not isinstance(extends, str) or not extends:
        raise ScenarioError([f"{source}: extends: must be a scenario's name or file, and is {shown(extends)}"])
    if len(seen) == MOST_LAYERS:
        raise ScenarioError(
            [f"{source}: extends: more than {MOST_LAYERS} files extend each other, perhaps in a circle"]
        )
    return extends


@dataclass(frozen=True)
class _Layer:
    source: str
    lines: dict[Place, int]


def _lay(layers: Layers, layer: _Layer, table: dict[str, Any], at: Place, of: Place) -> None:
    """Put a table over what is at `at`; in its own file it is at `of`."""
    target: Any = layers.document
    for step in at:
        target = target[step]
    layers.origins[at] = (layer.source, layer.lines.get(of))
    for key, value in table.items():
        old = target.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            _lay(layers, layer, value, (*at, key), (*of, key))
        elif _tables(old) and _tables(value):
            for index, entry in enumerate(value):
                _lay_entry(layers, layer, entry, (*at, key), (*of, key, index))
        else:
            target[key] = deepcopy(value)
            _note(layers, layer, value, (*at, key), (*of, key))


def _lay_entry(layers: Layers, layer: _Layer, entry: dict[str, Any], at: Place, of: Place) -> None:
    """An entry of a list of tables changes the one of its name, or is one more."""
    entries: Any = layers.document
    for step in at:
        entries = entries[step]
    name = entry.get("name")
    for index, old in enumerate(entries):
        if isinstance(name, str) and old.get("name") == name:
            _lay(layers, layer, entry, (*at, index), of)
            return
    entries.append(deepcopy(entry))
    _note(layers, layer, entry, (*at, len(entries) - 1), of)


def _note(layers: Layers, layer: _Layer, value: Any, at: Place, of: Place) -> None:
    layers.origins[at] = (layer.source, layer.lines.get(of))
    if isinstance(value, dict):
        for key, inner in value.items():
            _note(layers, layer, inner, (*at, key), (*of, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _note(layers, layer, inner, (*at, index), (*of, index))


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
