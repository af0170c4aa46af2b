"""The reference page says what the model says: every key, its default, its bounds; and what is shipped."""

import json
import re
from pathlib import Path

import pytest

from sluicegate.settings.sentences import table_in
from sluicegate.simulate.scenario import load, shipped
from sluicegate.simulate.scenario.document import Document

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scenarios.md"


def keys(model=Document, table=""):
    """Every plain key of the model by (table, key); tables by the name that they have in the file."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = table_in(field.annotation)
        if inner is None:
            yield (table, key), field
        else:
            yield from keys(inner, f"{table}.{key}" if table else key)


KEYS = dict(keys())


def rows():
    """The rows of the page as {(table, key): cells}, under headings such as ### `[capacity]`."""
    found, table = {}, ""
    for line in PAGE.read_text("utf-8").split("\n"):
        heading = re.fullmatch(r"#+ `\[+([a-z_.]+)\]+`", line)
        table = heading[1] if heading else table
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        key = re.fullmatch(r"`([a-z_]+)`", cells[0]) if len(cells) == 5 else None
        if key:
            found[table, key[1]] = cells
    return found


def test_every_key_is_in_the_reference_and_nothing_else():
    assert set(rows()) == set(KEYS)
    assert len(KEYS) > 90


@pytest.mark.parametrize("key", list(KEYS), ids=[".".join(key) for key in KEYS])
def test_the_reference_states_the_default(key):
    field, cell = KEYS[key], rows()[key][2]
    if field.is_required():
        assert cell == "required"
    elif field.default is None:
        assert cell == "none"
    elif key == ("window", "starts"):
        assert (field.default, cell) == (0, "`00:00`")
    else:
        assert json.loads(cell.strip("`")) == plain(field.default)


def plain(default):
    return list(default) if isinstance(default, tuple) else default


def bounds(annotation, metadata):
    """Every bound of a value, or of the entries of a list."""
    for entry in metadata:
        for name in ("ge", "gt", "le", "max_length"):
            if getattr(entry, name, None) is not None:
                yield getattr(entry, name)
        yield from bounds(None, getattr(entry, "metadata", ()))
    for inner in getattr(annotation, "__args__", ()) or ():
        if hasattr(inner, "__metadata__"):
            yield from bounds(inner.__origin__, inner.__metadata__)


def test_bounds_are_found_where_the_model_has_them():
    assert set(bounds(KEYS["window", "hours"].annotation, KEYS["window", "hours"].metadata)) == {0.01, 24}
    assert set(bounds(KEYS["group", "count"].annotation, KEYS["group", "count"].metadata)) == {1, 5000}


@pytest.mark.parametrize("key", list(KEYS), ids=[".".join(key) for key in KEYS])
def test_the_reference_states_the_bounds(key):
    field, cell = KEYS[key], rows()[key][3]
    for bound in bounds(field.annotation, field.metadata):
        written = f"{int(bound):,}" if bound == int(bound) else f"{bound:f}".rstrip("0")
        assert re.search(rf"(?<![\d,.]){re.escape(written)}(?!\d|[,.]\d)", cell) or (bound == 0 and "above 0" in cell)


def test_the_scenario_on_the_page_is_right(tmp_path):
    text = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "own.toml").write_text(text[1], "utf-8")
    world = load(str(tmp_path / "own.toml")).world
    assert (world.users[0].name, len(world.users)) == ("Ours", 59)


def test_the_overrides_on_the_page_are_right(tmp_path):
    page = PAGE.read_text("utf-8")
    text = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "own.toml").write_text(text[1], "utf-8")
    given = dict(re.findall(r"`([\w. ]+)=([\d.]+)`", page))
    assert len(given) == 5
    load(str(tmp_path / "own.toml"), overrides={path: float(value) for path, value in given.items()})


def test_the_page_lists_what_is_shipped_with_scale_and_hours():
    found = re.findall(r"^\| `([a-z-]+)` \|.*\| ([\d.]+), ([\d.]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [name for name, _, _ in found] == [name for name, _ in shipped()]
    for name, scale, hours in found:
        world = load(name).world
        assert (world.scale, world.seconds / 3600) == (float(scale), float(hours))
