"""Where a key stands: found in every way that TOML can be written, and never guessed."""

import tomllib
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate.settings.locate import line_of, lines_of


def lines(text):
    return lines_of(text, tomllib.loads(text))


def test_tables_and_keys_have_the_line_that_they_are_written_in():
    text = "# remark\n\n[a]\nb = 1 # c = 2\n\n[a.c]\nd = 'x'\n"
    assert lines(text) == {("a",): 3, ("a", "b"): 4, ("a", "c"): 6, ("a", "c", "d"): 7}


def test_each_table_of_a_list_has_its_own_lines():
    text = (
        "[[user]]\nname = 'A'\n[[user]]\nname = 'B'\n[user.more]\nx = 1\n[[user.entry]]\ny = 2\n[[user.entry]]\ny = 3\n"
    )
    found = lines(text)
    assert found["user", 0, "name"] == 2
    assert found["user", 1, "name"] == 4
    assert found["user", 1, "more", "x"] == 6
    assert found["user", 1, "entry", 1, "y"] == 10


def test_dotted_quoted_and_spaced_keys_are_the_keys_that_they_mean():
    text = '[ "gate way" . \'t.l\' ]\na . "b\\u0041" = 1\n"11.1" = 5\n'
    found = lines(text)
    assert found["gate way", "t.l", "a", "bA"] == 2
    assert found["gate way", "t.l", "11.1"] == 3


def test_the_elements_of_a_list_have_their_own_lines():
    text = 'ids = [ # remark with ] and "\n  "one",\n  { id = "two", role = "GS" },\n\n  "th]r#ee"]\nnext = 1\n'
    found = lines(text)
    assert [found["ids", n] for n in range(3)] == [2, 3, 5]
    assert found["ids", 1, "role"] == 3
    assert found["next",] == 6


@pytest.mark.parametrize(
    "value",
    ['"""\n[x]\na = 1\n"""', "'''\n\"\"\"\n'''", '"""a\\"""b"""""', "'''a'''''", '"\\"]"', "'\\'", '"# no remark"',
     '"""\\\n  """', '""', "''", '""""""', "''''''"],
)  # fmt: skip
def test_what_stands_inside_a_text_is_no_key(value):
    text = f"first = {value}\nlast = 1\n"
    assert lines(text)["last",] == text.count("\n")


@pytest.mark.parametrize("value", ["1979-05-27 07:32:00", "1979-05-27T07:32:00Z", "-1.5e+3", "0xff", "inf", "true"])
def test_a_bare_value_ends_where_its_line_or_list_does(value):
    found = lines(f"a = {value}\nb = [{value}, {value}]\nc = {{ d = {value}, e = {value} }}\nf = 1")
    assert (found["a",], found["b", 1], found["c", "e"], found["f",]) == (1, 2, 3, 4)


def test_a_table_that_comes_after_one_inside_it_has_its_own_header_line():
    found = lines("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert found["a",] == 3


def test_lines_that_end_as_on_windows_count_once():
    assert lines("[a]\r\nb = 1\r\nc = 2\r\n")["a", "c"] == 3


def test_a_missing_key_has_the_line_of_its_table():
    found = lines("\n[a]\nb = 1\n")
    assert line_of(("a", "missing", 3), found) == 2
    assert line_of(("missing",), found) is None


def test_no_line_is_given_where_the_text_and_the_values_do_not_agree():
    assert lines_of("a = 1\nb = 2\n", {"a": 1, "c": 2}) == {}
    assert lines_of("a = 1\n", {"a": 1, "b": 2}) == {}
    assert lines_of("a = [", {"a": []}) == {}
    assert lines_of("nonsense", {}) == {}


KEY = st.one_of(
    st.sampled_from(["a", "b", "c-d", "1", "user", '"x y"', "'q.r'", '"\\u00e9"', '"]"', '"#"', "'='"]),
    st.text("abcXYZ_-09", min_size=1, max_size=4),
)


@st.composite
def written(draw):
    """A TOML text in which every plain value is a number that stands nowhere else in it."""
    numbers = count(1000)

    def value(depth):
        kind = draw(st.sampled_from(["plain"] * 3 + (["list", "inline"] if depth else [])))
        if kind == "list":
            gap = draw(st.sampled_from(["", " ", "\n", " # ] }\n "]))
            return "[" + gap + f",{gap}".join(value(depth - 1) for _ in range(draw(st.integers(0, 3)))) + gap + "]"
        if kind == "inline":
            keys = draw(st.lists(KEY, max_size=3))
            return "{ " + ", ".join(f"{key} = {value(depth - 1)}" for key in keys) + " }"
        return draw(st.sampled_from(["{}", "'{} [x] #'", '"\\"{}"', "{}.5", "'''{}'''"])).format(next(numbers))

    def statement():
        kind = draw(st.sampled_from(["pair"] * 4 + ["table", "tables", "blank", "remark"]))
        key = " . ".join(draw(st.lists(KEY, min_size=1, max_size=2)))
        return {
            "pair": lambda: f"{key} = {value(2)}",
            "table": lambda: f"[{key}]",
            "tables": lambda: f"[[ {key} ]] # [[x]]",
            "blank": lambda: "",
            "remark": lambda: "# [a] b = 1",
        }[kind]()

    return "\n".join(statement() for _ in range(draw(st.integers(1, 12))))


def plain(document, path=()):
    if isinstance(document, dict):
        for key, value in document.items():
            yield from plain(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from plain(value, (*path, index))
    else:
        yield path, document


@given(written())
def test_every_value_is_found_in_the_line_that_holds_it(text):
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found, rows = lines_of(text, document), text.split("\n")
    for path, value in plain(document):
        number = "".join(c for c in str(value) if c.isdigit())[:4]
        assert number in rows[found[path] - 1]


@given(st.text("ab.=[]{}'\"\\\n\r#, 1u", max_size=40))
@example('a="""\\""""')
@example("[[a]]\n[a.b]\n[[a]]\n[a.b]")
@example("a={b=1}\n[c]\n")
def test_any_text_that_is_toml_is_read_whole(text):
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    assert bool(lines_of(text, document)) is bool(document)
