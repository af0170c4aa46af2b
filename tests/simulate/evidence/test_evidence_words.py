import pytest

from sluicegate.simulate.evidence import words


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0.0, "0%"),
        (0.00001, "<0.01%"),
        (0.0042, "0.42%"),
        (0.5, "50.0%"),
        (0.98999, "99.0%"),
        (0.9998, "99.98%"),
        (0.9999999, "99.99%"),
        (1.0, "100%"),
        (1.5, "150.0%"),
    ],
)
def test_all_is_said_of_all_only_and_none_of_none_only(part, text):
    assert words.share(part) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "0 s"),
        (0.12, "120 ms"),
        (0.97, "1.0 s"),
        (1.24, "1.2 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (1620, "27 min"),
        (3599.9, "1 h"),
        (4320, "1 h 12 min"),
    ],
)
def test_times_are_for_people(time, text):
    assert words.seconds(time) == text


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (0, "£0"),
        (12.4, "£12"),
        (340_400, "£340,000"),
        (999_600, "£1 million"),
        (-1_234_567, "\N{MINUS SIGN}£1.23 million"),
    ],
)
def test_money_has_three_figures(money, text):
    assert words.pounds(money) == text


def test_an_index_of_one_is_said_of_one_only():
    assert (words.index(0.99999), words.index(1.0)) == ("0.999", "1.000")


def test_a_share_of_nothing_is_none():
    assert words.part_of(0, 0) is None
    assert words.part_of(None, 5) is None
    assert words.part_of(1, 4) == 0.25


def test_long_lists_are_cut_and_counted():
    assert words.listed(["A"]) == "A"
    assert words.listed(["A", "B", "C"]) == "A, B and C"
    assert words.listed(["A", "B", "C", "D", "E"]) == "A, B, C and 2 more"
