"""A dry run of a profile: what would have gone the other way, of this User's requests alone."""

import pytest
from recorded_traffic import BURST, START, Sender, configuration, traffic

from sluicegate import settings
from sluicegate.allocation import PriorityClass, Profile
from sluicegate.simulate.record import open_record
from sluicegate.simulate.replay.profiles import MOST_ROWS, other_way

KEEPING = Profile((PriorityClass("top-ups", ("2.*",), reserve=4.0),))
CONFIG = settings.parse(configuration(), insecure=True)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return open_record(traffic(CONFIG, BURST).parquet(tmp_path_factory.mktemp("record") / "day.parquet"))


def test_the_same_profile_turns_nothing(record):
    told = other_way(record, CONFIG, "A", None)
    assert (told.passes, told.throttled, told.turned) == (0, 0, ())


def test_top_ups_would_have_passed_and_reads_would_not(record):
    parts = []
    told = other_way(record, CONFIG, "A", KEEPING, parts.append)
    without, with_it = told.classes["top-ups"]
    assert with_it < 0.6 * without
    assert told.classes[""][1] > told.classes[""][0]
    assert told.passes > 50
    urgent = [one.passes for one in told.turned if one.name == "top-ups"]
    assert sum(urgent) > 10 * (len(urgent) - sum(urgent))
    assert len(told.turned) == MOST_ROWS < told.passes + told.throttled
    assert all(one.at >= START for one in told.turned)
    assert [one.at for one in told.turned] == sorted(one.at for one in told.turned)
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1.0)


def test_a_user_of_no_configuration_is_an_error(record):
    with pytest.raises(KeyError):
        other_way(record, CONFIG, "Nobody", KEEPING)


def test_requests_are_told_under_the_class_that_they_were_replayed_in(tmp_path):
    senders = (Sender("A", 60, srvs=("1.1.1",)), Sender("B", 60))  # 1.1.1 is critical: its second half counts
    opened = open_record(traffic(CONFIG, senders, seconds=20.0).parquet(tmp_path / "day.parquet"))
    halves = Profile((PriorityClass("signed", ("1.*",), (5,)), PriorityClass("others", ("1.*",))))
    told = other_way(opened, CONFIG, "A", halves)
    assert told.classes["signed"][0] > 100
    assert told.classes["others"] == (0, 0)
