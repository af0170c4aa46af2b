"""What cannot be changes nothing: asks that are damaged, late, of another form, or of another version."""

from contextlib import suppress

import pytest
from fleet_of_one import Clock, Worker
from hypothesis import given, settings
from hypothesis import strategies as st
from lua_shard import LuaShard

from sluicegate.ledger.fleet.messages import (
    MOST_WANTS,
    Answer,
    Ask,
    Given,
    Want,
    answer_from_texts,
    answer_to_texts,
    ask_from_texts,
    ask_to_texts,
)
from sluicegate.ledger.fleet.shard import AwayError, StaleError
from sluicegate.ledger.fleet.writing import MalformedError
from thorough import examples

USER = Want("u", 8.0, 4.0)
BAD = [float("nan"), float("inf"), -1.0, 1e13]


@pytest.fixture
def worker(shard, clock):
    made = Worker(shard, clock)
    made.draw()
    made.idle(2.0)
    return made


def refused(worker, texts):
    """Whether the ledger refuses these texts, and all that it keeps is as it was."""
    before = worker.shard.books()
    with pytest.raises(MalformedError):
        worker.shard.call("draw", *texts)
    return worker.shard.books() == before


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", Want._fields[1:])
def test_a_want_with_a_figure_that_cannot_be_changes_nothing(worker, field, bad):
    assert refused(worker, ask_to_texts(worker.ask(USER, USER._replace(**{field: bad}))))


@pytest.mark.parametrize("bad", ["nan", "inf", "-1", "1e13", "", "x"])
@pytest.mark.parametrize("at", [*range(4, 13), *range(14, 19), *range(20, 25)])
def test_a_field_that_cannot_be_changes_nothing(worker, at, bad):
    texts = ask_to_texts(worker.ask(USER))
    texts[at] = bad
    assert refused(worker, texts)


@pytest.mark.parametrize("name", ["", "a\nb", "n" * 2000])
def test_a_name_that_cannot_be_changes_nothing(worker, name):
    for at in (1, 2, 25, 26):
        texts = ask_to_texts(worker.ask(USER))
        texts[at] = name
        assert refused(worker, texts)


@pytest.mark.parametrize("names", ["u", "u\n", "\nu", "u\n\n", "u\nu\nu", ""])
def test_names_that_are_not_as_many_as_the_rows_of_figures_change_nothing(worker, names):
    texts = ask_to_texts(worker.ask(USER, USER))
    texts[26] = names
    assert refused(worker, texts)
    with pytest.raises(MalformedError):
        ask_from_texts(texts)


def test_an_ask_that_is_cut_off_or_too_long_changes_nothing(worker):
    texts = ask_to_texts(worker.ask(USER, USER))
    for cut in range(len(texts)):
        assert refused(worker, texts[:cut])
    assert refused(worker, [*texts, "1"])
    assert refused(worker, [*texts[:-1], texts[-1][:-1]])


def test_an_ask_of_another_form_changes_nothing(worker):
    texts = ask_to_texts(worker.ask(USER))
    assert refused(worker, ["1", *texts[1:]])


def test_an_ask_that_comes_after_a_later_one_changes_nothing(worker):
    late = worker.ask(USER._replace(waiting=1.0))
    worker.draw()
    for number in (late.number, late.number + 1):
        before = worker.shard.books()
        with pytest.raises(StaleError):
            worker.shard.drawn(late._replace(number=number))
        assert worker.shard.books() == before


def test_to_look_changes_nothing(worker):
    worker.draw(USER._replace(waiting=1.0))
    before = worker.shard.books()
    worker.clock.sleep(5.0)
    look = worker.shard.looked()
    assert worker.shard.books() == before
    assert look.workers[0].age == pytest.approx(5.0)


def test_a_ledger_that_nobody_has_come_to_is_looked_at_as_empty(shard):
    assert shard.looked().epoch == ""


def test_books_of_a_later_layout_are_not_touched(clock):
    shard = LuaShard(clock.server)
    worker = Worker(shard, clock)
    worker.draw()
    key = b"sluicegate:{test}:system"
    kept = shard.commands.keys[key]
    shard.commands.keys[key] = b"\0\0\0\0\0\0\x24\x40" + kept[8:]  # 10
    before = shard.books()
    with pytest.raises(AwayError, match="later version"):
        worker.draw()
    assert shard.books() == before


figures = st.floats(0.0, 1e12)
names = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=20)
wants = st.builds(Want, names, figures, figures, st.floats(1e-3, 1e3), *[figures] * 13)


@given(names, names, names, st.integers(0, 10**12), figures, st.lists(wants, max_size=5))
def test_an_ask_is_read_as_it_was_written(worker, life, epoch, number, clock, wanted):
    ask = Worker(None, Clock()).ask(*wanted)
    ask = ask._replace(worker=worker, life=life, epoch=epoch, number=number, clock=clock)
    assert ask_from_texts(ask_to_texts(ask)) == ask


@given(st.lists(st.builds(Given, *[figures] * 6), max_size=5), st.booleans())
def test_an_answer_is_read_as_it_was_written(rows, active):
    answer = Answer("e", 3, 1.5, -2.5, active, 0.1, 0.25, 4, 1.0, 7.0, tuple(rows))
    ask = Worker(None, Clock()).ask(*[USER] * len(rows))._replace(number=3)
    assert answer_from_texts(answer_to_texts(answer), ask) == answer
    with pytest.raises(MalformedError):
        answer_from_texts(answer_to_texts(answer), ask._replace(number=4))


@settings(max_examples=examples(200))
@given(st.data())
def test_a_damaged_answer_is_refused_or_read_never_anything_else(data):
    answer = Answer("e", 3, 1.5, -2.5, True, 0.1, 0.25, 4, 1.0, 7.0, (Given(1.0, 2.0, 3.0, 4.0, -5.0, 6.0),))
    texts = answer_to_texts(answer)
    texts[data.draw(st.integers(0, len(texts) - 1))] = data.draw(st.binary(max_size=60))
    ask = Worker(None, Clock()).ask(USER)._replace(number=3)
    with suppress(MalformedError):
        assert isinstance(answer_from_texts(texts, ask), Answer)


def test_an_ask_that_cannot_be_is_not_sent():
    ask: Ask = Worker(None, Clock()).ask()
    for bad in (
        {"owed": float("nan")},
        {"share": 2.0},
        {"worker": ""},
        {"clock": -1.0},
        {"wants": (USER,) * (MOST_WANTS + 1)},
    ):
        with pytest.raises(MalformedError):
            ask_to_texts(ask._replace(**bad))
