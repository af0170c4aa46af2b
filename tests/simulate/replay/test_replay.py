"""A replay says what would have happened: what did happen, where nothing was changed."""

import json
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from recorded_traffic import BASE, BURST, START, Sender, Written, configuration, configured, row, traffic

from sluicegate import settings
from sluicegate.simulate.policy import PolicyError, parse
from sluicegate.simulate.record import RecordError, open_record
from sluicegate.simulate.replay import Habit, HabitError, Question, own_policy, parse_habit, replay
from sluicegate.simulate.replay.files import replay_files
from sluicegate.simulate.replay.rows import Reader
from sluicegate.simulate.replay.source import Replayed
from sluicegate.simulate.replay.survey import stretch, survey
from sluicegate.simulate.replay.world import setting
from sluicegate.simulate.run import run

RECORDED = Question(habit=Habit("recorded"))


def quiet(_):
    pass


def surveyed(record, config, *, whole):
    return survey(record, Reader(frozenset(config.capacity.weights)), quiet, whole=whole)


def replayed(tmp_path, written, config, question=Question(), group=700):  # noqa: B008 - frozen
    return replay(open_record(written.parquet(tmp_path / "day.parquet", group)), config, question)


def sums(result, side, policy=None):
    table = result.comparison.to_pylist()
    found = {}
    for one in table:
        if policy in (None, one["policy"]):
            counts = found.setdefault(one["user"], dict.fromkeys(("demand", "admitted", "throttled", "rejected"), 0))
            for name in counts:
                counts[name] += one[f"{side}_{name}"]
    return found


CLASSES = '[[user.class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 4\n'
TEAMS = '[[user.team]]\nname = "bulk"\nsrvs = ["4.*"]\npart = 0.4\n'


def prioritised(more, sharing="fair"):
    """The last User, A, has priorities of its own."""
    return settings.parse(configuration(sharing=sharing, C=0, B=10, A=10) + more, insecure=True)


@pytest.mark.parametrize("sharing", ["fair", "first-come"])
@pytest.mark.parametrize(
    ("group", "more"), [(500, ""), (100_000, ""), (700, CLASSES), (700, TEAMS), (700, CLASSES + TEAMS)]
)
def test_the_same_configuration_takes_the_same_decisions_row_by_row(tmp_path, sharing, group, more):
    config = prioritised(more, sharing)
    written = traffic(config, BURST)
    record = open_record(written.parquet(tmp_path / "day.parquet", group))
    found = surveyed(record, config, whole=True)
    plan = setting(found, config, Habit("recorded"), "same", unknown="zero", dsp_capacity=None)
    throttled = []

    def take(_, output):
        owners = [plan.world.users[plan.world.flows[flow].user].name for flow in output.throttled.flow]
        throttled.extend(zip(output.throttled.at.tolist(), owners, strict=True))

    report = run(plan.world, own_policy(config), Replayed(record, found, plan.flows, 0.0), 1, take)
    by_outcome = {"within": 0, "excess": 0, "throttled": []}
    for one in written.rows:
        at = (one["time"] - START) / timedelta(microseconds=1) / 1e6
        if one["outcome"] == "throttled":
            by_outcome["throttled"].append((at, one["user"]))
        else:
            by_outcome[one["outcome"]] += 1
    assert len(by_outcome["throttled"]) > 300  # there was something to decide
    assert throttled == by_outcome["throttled"]
    assert (report.within, report.excess) == (by_outcome["within"], by_outcome["excess"])


def test_the_same_configuration_gives_the_same_counts_by_user_and_minute(tmp_path):
    config = configured()
    result = replayed(tmp_path, traffic(config, BURST), config, RECORDED)
    rows = result.comparison.to_pylist()
    assert len(rows) == 3 * 2
    for one in rows:
        for name in ("admitted", "throttled", "rejected"):
            assert one[f"recorded_{name}"] == one[f"replayed_{name}"]
    assert sum(one["recorded_throttled"] for one in rows) > 300


def test_with_the_habit_that_was_seen_the_recorded_throttling_comes_about_again(tmp_path):
    config = configured()
    result = replayed(tmp_path, traffic(config, BURST), config)
    told = {one["user"]: one for one in result.summary["replay"]["habits"]}
    assert (told["A"]["habit"], told["C"]["habit"]) == ("fixed", "none")
    assert told["A"]["seconds"] == pytest.approx(5.0, rel=1 / 16)
    # The record ends with retries under way, which go on in the replay, so what came before its end is compared.
    mine = [one for one in result.comparison.to_pylist() if one["user"] == "A" and one["recorded_demand"]]
    before, after = (sum(one[f"{side}_throttled"] for one in mine) for side in ("recorded", "replayed"))
    assert before > 300
    assert after == pytest.approx(before, rel=0.1)


def test_counts_are_those_of_the_rows(tmp_path):
    config = configured()
    written = traffic(config, BURST)
    result = replayed(tmp_path, written, config)
    for one in result.summary["replay"]["per_user"]:
        mine = [each for each in written.rows if each["user"] == one["user"]]
        assert one["demand"] == len({each["request"] for each in mine})
        for outcome in ("within", "excess", "throttled", "rejected", "passed"):
            assert one["recorded"][outcome] == sum(each["outcome"] == outcome for each in mine)
        assert one["recorded"]["attempts"] == len(mine)
    minutes = {}
    for each in written.rows:
        key = each["time"].replace(second=0, microsecond=0), each["user"]
        minutes[key] = minutes.get(key, 0) + (each["outcome"] == "throttled")
    found = {(one["minute"], one["user"]): one["recorded_throttled"] for one in result.comparison.to_pylist()}
    assert {key: count for key, count in found.items() if count} == {k: c for k, c in minutes.items() if c}


def test_capacity_for_all_throttles_nobody(tmp_path):
    written = traffic(configured(), BURST)
    result = replayed(tmp_path, written, configured(maximum=2000, threshold=1900))
    assert all(one["throttled"] == 0 for one in sums(result, "replayed").values())
    assert sums(result, "recorded")["A"]["throttled"] > 100
    total = result.summary["policies"][0]["total"]
    assert total["offered"] == total["delivered"] == len({each["request"] for each in written.rows})


@pytest.mark.parametrize("habit", ["seen", "recorded", "none", "immediate", "fixed:3", "exponential", "honour"])
def test_every_request_ends_in_one_state_whatever_the_habit(tmp_path, habit):
    config = configured()
    result = replayed(tmp_path, traffic(config, BURST, 40.0), config, Question(habit=parse_habit(habit)))
    total = result.summary["policies"][0]["total"]
    ended = sum(total[name] for name in ("delivered", "returned", "given_up", "quarantined", "pending"))
    assert total["offered"] == ended == result.summary["scenario"]["requests"]
    answers = sum(one["throttled"] for one in sums(result, "replayed").values())
    assert answers == total["answers"]


def test_users_unknown_to_the_configuration_are_told_and_held_at_nothing_or_left_out(tmp_path):
    written = traffic(configured(A=10, B=10, Stranger=5), [Sender("A", 5), Sender("Stranger", 6)])
    config = configured(maximum=20, threshold=8, A=8, B=2)
    zero = replayed(tmp_path, written, config)
    assert [one["user"] for one in zero.summary["replay"]["unknown_users"]] == ["Stranger"]
    assert {one["name"]: one["allocation"] for one in zero.summary["users"]} == {"A": 8, "B": 2, "Stranger": 0}
    assert sums(zero, "replayed")["Stranger"]["throttled"] > 0
    left_out = replayed(tmp_path, written, config, Question(unknown="leave-out"))
    assert [one["user"] for one in left_out.summary["replay"]["unknown_users"]] == ["Stranger"]
    assert set(sums(left_out, "replayed")) == set(sums(left_out, "recorded")) == {"A"}
    assert left_out.summary["scenario"]["requests"] == zero.summary["replay"]["per_user"][0]["demand"]


def test_what_was_rejected_is_asked_again_but_not_where_rows_are_replayed_as_they_came(tmp_path):
    config = configured()
    written = Written(
        [row(1, "A", 1, "rejected"), row(2, "A", 1), row(3, "A", 2, "rejected"), row(4, "A", 3, "passed")]
    )
    asked = sums(replayed(tmp_path, written, config), "replayed")["A"]
    assert asked == {"demand": 3, "admitted": 3, "throttled": 0, "rejected": 0}
    result = replayed(tmp_path, written, config, RECORDED)
    assert sums(result, "replayed")["A"] == {"demand": 2, "admitted": 2, "throttled": 0, "rejected": 2}
    assert sums(result, "recorded")["A"] == {"demand": 3, "admitted": 2, "throttled": 0, "rejected": 2}


def test_policies_are_run_on_the_same_requests(tmp_path):
    config = configured()
    policies = [parse(name) for name in ("allocation", "none", "allocation+own-priority")]
    result = replayed(tmp_path, traffic(config, BURST), config, Question(policies))
    assert [one["name"] for one in result.summary["policies"]] == [one.name for one in policies]
    assert len({one["total"]["offered"] for one in result.summary["policies"]}) == 1
    assert result.summary["replay"]["policy"] == "allocation"
    assert all(one["throttled"] == 0 for one in sums(result, "replayed", "none").values())
    with pytest.raises(PolicyError, match="adt"):
        replayed(tmp_path, traffic(config, BURST), config, Question([parse("adt")]))


def test_arrivals_have_no_gap_and_no_batch_loses_any(tmp_path):
    config = configured()
    times = np.repeat([0.5, 1.25, 1.25, 61.0, 61.0, 130.0], 3)
    written = Written([row(at, "A", number) for number, at in enumerate(times)])
    record = open_record(written.parquet(tmp_path / "day.parquet", group=2))
    found = surveyed(record, config, whole=False)
    plan = setting(found, config, Habit(), "x", unknown="zero", dsp_capacity=None)
    chunks = list(Replayed(record, found, plan.flows, 18.0).chunks())
    assert chunks[0].start == 0
    assert chunks[-1].end == found.seconds == 180
    for before, after in pairwise(chunks):
        assert before.end == after.start
    for chunk in chunks:
        assert ((chunk.times >= chunk.start) & (chunk.times < chunk.end)).all()
    assert np.concatenate([chunk.times for chunk in chunks]).tolist() == times.tolist()


def test_a_record_that_changed_between_the_passes_is_an_error(tmp_path):
    config = configured()
    path = tmp_path / "day.parquet"
    Written([row(at, "A", at) for at in range(10)]).parquet(path)
    record = open_record(path)
    found = surveyed(record, config, whole=False)
    plan = setting(found, config, Habit(), "x", unknown="zero", dsp_capacity=None)
    for rows in ([row(at, "A", at) for at in range(9)], [row(at, "B", at) for at in range(10)]):
        changed = open_record(Written(rows).parquet(path))
        with pytest.raises(RecordError, match="has changed"):
            list(Replayed(changed, found, plan.flows, 10.0).chunks())


def test_a_month_in_which_the_clocks_go_back_can_be_read_whole(tmp_path):
    hours = 31 * 24 + 1
    record = open_record(Written([row(0, "A", 1), row(hours * 3600 - 1, "A", 2)]).parquet(tmp_path / "october.parquet"))
    assert stretch(record)[1] == hours * 3600
    longer = open_record(Written([row(0, "A", 1), row(hours * 3600, "A", 2)]).parquet(tmp_path / "longer.parquet"))
    with pytest.raises(RecordError, match="at most 31 days"):
        stretch(longer)


def test_a_record_that_cannot_be_replayed_says_why(tmp_path):
    config = configured()
    far = Written([row(0, "A", 1), row(40 * 86_400, "A", 2)])
    with pytest.raises(RecordError, match=r"at most 31 days.*--since and --until"):
        replayed(tmp_path, far, config)
    record = open_record(Written([row(0, "A", 1)]).parquet(tmp_path / "one.parquet"), since=START + timedelta(days=1))
    with pytest.raises(RecordError, match="no row"):
        replay(record, config, Question())


def test_a_part_of_the_record_can_be_replayed(tmp_path):
    config = configured()
    path = traffic(config, BURST).parquet(tmp_path / "day.parquet")
    record = open_record(path, since=START + timedelta(seconds=60))
    result = replay(record, config, Question())
    assert {one["minute"] for one in result.comparison.to_pylist()} >= {START + timedelta(minutes=1)}
    assert result.summary["scenario"]["first_second"] == 18 * 3600 + 60
    assert result.summary["scenario"]["seconds"] == 60


def test_kinds_and_regions_are_those_of_the_record(tmp_path):
    rows = [
        row(1, "A", 1, srv="2.2"),
        row(2, "A", 2, srv="8.2"),  # for no device
        row(3, "A", 3, srv="99.9", region=None),
        row(4, "A", 4, srv="11.1", region="South"),
    ]
    summary = replayed(tmp_path, Written(rows), configured()).summary
    assert [(kind["srv"], kind["urgent"]) for kind in summary["kinds"]] == [
        ("2.2", True),
        ("8.2", False),
        ("11.1", False),
        ("other", False),
    ]
    csps = summary["policies"][0]["csps"]
    assert {name: one["offered"] for name, one in csps.items()} == {"North": 1, "South": 0}


def test_the_same_seed_gives_the_same_bytes_and_the_files_can_be_read(tmp_path):
    config = configured()
    written = traffic(config, BURST, 40.0)
    question = Question(habit=parse_habit("exponential"), seed=5, title="<b> & co")
    first, second = (replay_files(replayed(tmp_path, written, config, question)) for _ in range(2))
    assert first == second
    summary = json.loads(first["summary.json"])
    assert (summary["what"], summary["complete"], summary["anonymous"]) == ("replay", True, False)
    assert summary["replay"]["record"]["rows"] == len(written.rows)
    (tmp_path / "c.parquet").write_bytes(first["comparison.parquet"])
    assert pq.read_table(tmp_path / "c.parquet").equals(replayed(tmp_path, written, config, question).comparison)
    page = first["report.html"].decode()
    assert "Recorded and replayed" in page
    assert "<b> & co" not in page


def test_with_pseudonyms_nothing_tells_a_user(tmp_path):
    names = {f"Supplier {letter}": 5 for letter in "ABCDEF"}
    config = configured(**names)
    written = traffic(config, [Sender(name, 4) for name in names], 40.0)
    files = replay_files(replayed(tmp_path, written, config, Question(config="secret.toml")), b"k" * 32)
    assert set(files) == {"summary.json", "report.html"}
    for content in files.values():
        assert b"Supplier" not in content
        assert b"secret.toml" not in content


def test_habits_are_read_or_refused():
    assert parse_habit("fixed:2.5") == Habit("fixed", 2.5)
    assert str(parse_habit("fixed:2.5")) == "fixed:2.5"
    assert parse_habit("recorded").whole
    for text in ("fixed", "fixed:", "fixed:x", "fixed:nan", "fixed:0", "fixed:1e9", "honour:3", "sometimes", ""):
        with pytest.raises(HabitError):
            parse_habit(text)


def test_a_user_that_seldom_comes_back_does_not_come_back(tmp_path):
    rows = [row(at, "A", at, "throttled") for at in range(10)] + [row(20, "A", 1), row(21, "A", 2)]
    told = replayed(tmp_path, Written(rows), configured()).summary["replay"]["habits"][0]
    assert told["habit"] == "none"
    assert told["seen"]["held"] == 10
    assert told["seen"]["again"] == 2


def test_the_first_second_is_a_whole_minute(tmp_path):
    record = open_record(Written([row(65.5, "A", 1)]).parquet(tmp_path / "x.parquet"))
    assert surveyed(record, configured(), whole=False).base == BASE + 60_000_000
