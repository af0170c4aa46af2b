"""The starter file and the reference page say what the model says: every key, its default, its bounds."""

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from sluicegate.settings import Settings, cautions, parse, starter
from sluicegate.settings.sentences import table_in

MAPPINGS = ("weights", "deadlines", "headers")
"""Tables whose keys are the reader's own."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def keys(model=Settings, table=""):
    """Every plain key of the model as (table, key, field); tables by the name that they have in the file."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = table_in(field.annotation)
        path = f"{table}.{key}" if table else key
        if inner is None:
            yield table, key, field
        elif key == "ids":
            yield table, key, field
            yield from keys(inner, path)
        else:
            yield from keys(inner, path)


def written_keys(document, table=""):
    """The same of a document."""
    for key, value in document.items():
        inside = value if isinstance(value, list) else [value]
        tables = [entry for entry in inside if isinstance(entry, dict)] if key not in MAPPINGS else []
        for entry in tables:
            yield from written_keys(entry, f"{table}.{key}" if table else key)
        if not tables or key == "ids":
            yield table, key


KEYS = {(table, key): field for table, key, field in keys()}


def test_the_model_has_the_tables_that_this_test_looks_at():
    assert {table for table, _ in KEYS} == {
        "capacity", "responses", "gateway", "gateway.tls", "gateway.upstream_tls", "gateway.timeouts",
        "gateway.limits", "gateway.backpressure", "ledger", "admin", "record", "operations", "account", "account.tls",
        "sign_in", "sign_in.openid", "sign_in.openid.role", "profiles", "user", "user.ids", "user.class", "user.team",
        "user.channel", "screens", "ask", "ask.tls", "history", "telemetry", "telemetry.tls", "notices",
        "notices.retry", "notices.smtp", "notices.tls",
        "dispatch", "dispatch.tls", "dispatch.routes", "dispatch.retention", "dispatch.codes", "dispatch.users",
        "dispatch.users.retry", "dispatch.users.tls", "csp", "csp.retry", "csp.circuit", "csp.tls",
    }  # fmt: skip


def test_the_starter_file_is_right_as_it_is():
    settings = parse(starter())
    assert settings.gateway.identity == "originator"
    assert settings.gateway.listen.loopback
    assert len(cautions(settings)) == 1  # that identity


def switched_on():
    """The starter file with everything that is switched off in it switched on."""
    text = re.sub(r"(?m)^#(?=\S)", "", starter())
    text = text.replace('identity = "originator"', 'identity = "certificate"')
    return text.replace('"http://127.0.0.1:8080"', '"https://127.0.0.1:8080"')


def test_the_certificate_variant_of_the_starter_file_is_right():
    settings = parse(switched_on(), files=False)
    assert settings.gateway.tls is not None
    assert settings.gateway.tls.client_crl is not None
    assert all(user.certificates for user in settings.users)


def test_every_key_is_in_the_starter_file():
    assert set(written_keys(tomllib.loads(switched_on()))) == set(KEYS)


def test_every_key_of_the_starter_file_is_explained_in_its_line_or_the_one_above():
    above, explained = "", set()
    for line in starter().split("\n"):
        key, equals, rest = line.removeprefix("#").partition(" = ")
        if equals and ("# " in rest or above.startswith("# ")):
            explained.add(key)
        above = line
    assert {key for _, key in KEYS} - explained <= {*MAPPINGS, "id"}  # tables, and a key inside a list


def test_the_starter_file_has_the_defaults_of_the_model():
    document = tomllib.loads(switched_on())
    chosen = {
        ("gateway", "identity"), ("responses", "too_many_requests_from_duis"), ("capacity", "weights"),
        ("user", "certificates"), ("user.class", "srvs"), ("user.class", "reserve"), ("user.team", "srvs"),
        ("csp", "prefixes"),
    }  # fmt: skip
    for (table, key), field in KEYS.items():
        value = document
        for step in table.split("."):
            value = value.get(step, {}) if isinstance(value, dict) else {}
            value = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if key in value and (table, key) not in chosen and field.default not in (PydanticUndefined, None):
            assert plain(field.default) == plain(value[key]), key


def plain(value):
    if value is None or isinstance(value, (bool, str, Decimal)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, (tuple, list, dict)):
        return list(value)
    return str(value)


def rows():
    """The table rows of the page as {(table, key): cells}, under headings such as ### `[capacity]`."""
    found, table = {}, ""
    for line in PAGE.read_text("utf-8").split("\n"):
        heading = re.fullmatch(r"#+ `\[+([a-z_.]+)\]+`.*", line)
        table = heading[1] if heading else table
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        key = re.fullmatch(r"`([a-z_]+)`", cells[0]) if len(cells) == 6 else None
        if key:
            found[table, key[1]] = cells
    return found


def test_every_key_is_in_the_reference_and_nothing_else():
    assert set(rows()) == set(KEYS)


@pytest.mark.parametrize(("table", "key"), list(KEYS), ids=[".".join(key) for key in KEYS])
def test_the_reference_states_the_default(table, key):
    field, cell = KEYS[table, key], rows()[table, key][3]
    default = field.default_factory() if field.default_factory else field.default
    if (table, key) == ("user.ids", "role"):
        assert cell == "the User's"  # a text in `ids` has it too
    elif field.is_required():
        assert cell == "required"
    elif default is None:
        assert cell == "none"
    else:
        assert cell == f"`{shown(default)}`"


def shown(default):
    if isinstance(default, bool):
        return json.dumps(default)
    if isinstance(default, (int, float)):
        return f"{default:g}" if abs(default) < 1e5 else str(int(default))
    if isinstance(default, dict):
        inside = ", ".join(f'"{key}" = {shown(value)}' for key, value in default.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(default, tuple):
        return f"[{', '.join(map(shown, default))}]"
    return f'"{default}"'


def limits(annotation, metadata):
    """Every bound of a value, or of the entries of a list."""
    for entry in metadata:
        for name in ("ge", "gt", "le", "lt", "max_length", "min_length"):
            if getattr(entry, name, None) is not None:
                yield getattr(entry, name)
        yield from limits(None, getattr(entry, "metadata", ()))
    for inner in getattr(annotation, "__args__", ()) or ():
        if hasattr(inner, "__metadata__"):
            yield from limits(inner.__origin__, inner.__metadata__)


def test_bounds_are_found_where_the_model_has_them():
    found = {key: set(limits(field.annotation, field.metadata)) for (_, key), field in KEYS.items()}
    assert found["maximum"] == {0.001, 1e7}
    assert found["weights"] == {0.001, 1000}
    assert found["ids"] == {1, 1000}
    assert found["head"] == {0.01, 3600}


@pytest.mark.parametrize(("table", "key"), list(KEYS), ids=[".".join(key) for key in KEYS])
def test_the_reference_states_the_bounds(table, key):
    field, cell = KEYS[table, key], rows()[table, key][4]
    for bound in limits(field.annotation, field.metadata):
        written = f"{int(bound):,}" if bound == int(bound) else f"{bound:g}"
        assert re.search(rf"(?<![\d,.]){re.escape(written)}(?!\d|[,.]\d)", cell), (bound, cell)


def test_the_whole_file_in_the_reference_is_right():
    text = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert text
    assert parse(text[1], files=False)
