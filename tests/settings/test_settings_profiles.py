"""A profile by itself: a file of a User, or a document from elsewhere."""

import pytest

from sluicegate.settings import SettingsError, check_profile, load_profile, parse, parse_profile, starter

RIGHT = '[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 6\n[[team]]\nname = "bulk"\npart = 0.5\n'


def test_it_has_classes_and_teams_as_a_user_of_the_configuration_has():
    found = parse_profile(RIGHT)
    assert [(one.name, one.srvs, one.reserve) for one in found.classes] == [("top-ups", ("2.*",), 6.0)]
    assert [(one.name, one.part) for one in found.teams] == [("bulk", 0.5)]
    assert check_profile({"class": [{"name": "top-ups"}]}).classes[0].name == "top-ups"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RIGHT.replace("2.*", "2."), 'p:3: class[0] "top-ups".srvs[0]: "2." is not an SRV'),
        (RIGHT.replace("0.5", "1.5"), 'p:7: team[0] "bulk".part'),
        (RIGHT + '[[class]]\nname = "top-ups"\n', "'top-ups' is already the name of another class"),
        (RIGHT + '[[team]]\nname = "b"\npart = 0.6\n', "add up to more than 1"),
        (RIGHT + "[capacity]\nmaximum = 1\n", "capacity"),
        ("[[class]]\n" * 17, "class"),
        ("class = 3", "class"),
        ("not toml", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, says):
    with pytest.raises(SettingsError) as error:
        parse_profile(text, source="p")
    assert says in str(error.value)


@pytest.mark.parametrize("document", [{"class": [{}]}, {"class": "x"}, {"x": 1}, {"team": [{"name": "a", "part": 2}]}])
def test_a_document_is_held_to_the_same(document):
    with pytest.raises(SettingsError):
        check_profile(document)


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        load_profile(tmp_path / "profile.toml")


def test_parts_of_teams_of_the_configuration_that_add_up_to_more_than_one_are_refused():
    text = starter() + '[[user.team]]\nname = "a"\npart = 0.7\n[[user.team]]\nname = "b"\npart = 0.4\n'
    with pytest.raises(SettingsError, match=r"add up to 1\.1, and there is 1 to share out"):
        parse(text)
    with pytest.raises(SettingsError, match="already the name of another team"):
        parse(text.replace("0.7", "0.1").replace('"b"', '"A"'))
