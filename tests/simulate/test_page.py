import base64
import hashlib
import html.parser
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.page import Cell, Chart, Series, chart, document, share_cell, table, tag
from sluicegate.simulate.page.charts import as_script_data

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<!--\u2028"


class Reader(html.parser.HTMLParser):
    """What a browser would see: elements, their attributes, and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_startendtag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_text_and_attributes_come_back_as_they_were_and_make_no_elements(text):
    seen = Reader(tag("p", text, title=text))
    assert seen.elements == [("p", {"title": text})]
    assert "".join(seen.texts) == text


def test_attributes_that_are_false_or_none_are_left_out():
    assert tag("p", None, "a", id=None, hidden=False, open=True, data_x=3, class_="c") == (
        '<p open data-x="3" class="c">a</p>'
    )


def test_markup_is_not_escaped_twice():
    assert tag("p", tag("b", "<")) == "<p><b>&lt;</b></p>"


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_script_data_cannot_end_its_element_and_comes_back(value):
    text = as_script_data(value)
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text) == value


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_figure_that_json_does_not_know_is_refused(figure):
    with pytest.raises(ValueError):
        as_script_data([figure])


def hostile_page():
    one = Chart(HOSTILE, HOSTILE, [0, 1], [Series(HOSTILE, [1, None], "calm")], top=2)
    row = [Cell(HOSTILE, figure=False), share_cell(0.5, HOSTILE, "bad")]
    return document(HOSTILE, chart(one), table(HOSTILE, [Cell("a"), Cell("b")], [row, row], foot=1))


def test_hostile_names_make_no_elements():
    names = [name for name, _ in Reader(hostile_page()).elements]
    assert "img" not in names
    assert names.count("script") == 3


def test_a_page_fetches_nothing():
    for name, attributes in Reader(hostile_page()).elements:
        assert not {"src", "href", "srcset", "action", "data", "style"} & set(attributes), name
        assert name not in {"link", "iframe", "object", "embed", "base", "form"}
    style = re.search("<style>(.*?)</style>", hostile_page(), re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_lets_exactly_the_pages_own_style_and_scripts_run():
    page = hostile_page()
    policy = next(a["content"] for name, a in Reader(page).elements if a.get("http-equiv"))
    inline = re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", page, re.S)
    hashes = {
        "sha256-" + base64.b64encode(hashlib.sha256((style or script).encode()).digest()).decode()
        for style, script in inline
    }
    assert len(inline) == 3
    assert set(re.findall(r"sha256-[^']+", policy)) == hashes
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_licence_of_the_charts_goes_with_them():
    assert "Permission is hereby granted, free of charge" in hostile_page()


def test_a_chart_says_in_words_what_is_to_be_seen():
    seen = Reader(chart(Chart("Queue", "it is full.", [0], [Series("n", [1])], top=2)))
    plot = next(a for _, a in seen.elements if a.get("class") == "plot")
    assert (plot["role"], plot["aria-label"], plot["tabindex"]) == ("img", "Queue: it is full.", "0")


def test_a_share_is_drawn_as_wide_as_it_is_and_never_wider():
    for share, width in ((0.5, "50.00%"), (1.5, "100.00%"), (-1, "0.00%")):
        assert f'width="{width}"' in share_cell(share, "x", "calm").content
