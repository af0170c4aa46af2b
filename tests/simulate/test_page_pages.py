import html.parser

from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.page import Chart, Series, chart, document, keys, level_cell, link, navigation, page, search
from sluicegate.simulate.page.pages import Link


class Reader(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def named(self, name):
        return [attributes for element, attributes in self.elements if element == name]


@given(st.lists(st.text(), unique=True))
def test_each_name_has_a_key_of_its_own_that_can_stand_in_an_address(names):
    found = keys("user", names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for key in found.values())
    assert all(key.startswith("user-") for key in found.values())


def test_keys_read_like_the_names():
    assert keys("policy", ["allocation", "capacity:1.5", "allocation+own-priority"]) == {
        "allocation": "policy-allocation",
        "capacity:1.5": "policy-capacity-1.5",
        "allocation+own-priority": "policy-allocation-own-priority",
    }
    assert keys("user", ["A b", "a-B", "!"]) == {"A b": "user-a-b", "a-B": "user-a-b-2", "!": "user-x"}


def test_the_script_of_pages_is_there_only_where_there_are_pages():
    one = page("first", "First", link("other", "there"), first=True)
    other = page("other", "Other", part="some")
    menu = navigation("Pages", [Link("first", "First"), Link("other", "Other", "some")])
    with_pages = Reader(document("Test", one, other, before=menu, pages=True))
    assert [section["class"] for section in with_pages.named("section")] == ["page first", "page"]
    assert [a["href"] for a in with_pages.named("a")] == ["#first", "#other", "#other"]
    assert len(with_pages.named("script")) == len(Reader(document("Test", one)).named("script")) + 1


def test_a_search_is_hidden_until_a_script_is_there_to_do_it():
    field = Reader(search("list", "Find"))
    assert "hidden" in field.named("p")[0]
    assert field.named("input")[0]["data-filter"] == "list"


def test_a_level_is_drawn_as_wide_as_it_is_and_never_wider():
    for share, width in ((0.5, "50.00%"), (1.5, "100.00%"), (-1, "0.00%")):
        assert f'width="{width}"' in level_cell(share, "x", "calm").content


def test_a_chart_names_its_unit():
    assert '<span class="unit"> SR/s</span>' in chart(Chart("N", "", [0], [Series("n", [1])], top=2, unit="SR/s"))
