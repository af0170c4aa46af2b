"""A worker whose death is told: its share and its tokens are free at once, and nothing is minted by that."""

import pytest
from fleet_of_one import TERMS, Worker

from sluicegate.ledger.fleet.messages import Want

USER = Want("u", 8.0, 4.0)


@pytest.fixture
def two(shard, clock):
    """Two workers, each with half of everything, and all banks full."""
    first = Worker(shard, clock)
    first.draw()
    first.idle(10.0)
    other = Worker(shard, clock, "w2", boot=9_000.0)
    for each in (other, first, first, other):
        each.draw()
    assert (first.share, other.share) == (0.5, 0.5)
    return first, other


def test_the_share_of_one_that_is_dead_is_the_others_at_once(two, shard):
    first, _dead = two
    assert shard.buried("w2")
    first.draw()
    assert first.draw().share == 1.0
    assert [seen.worker for seen in shard.looked().workers] == ["w1"]


def test_its_tokens_are_nobodys(two, shard):
    first, dead = two
    dead.draw(USER._replace(ahead=2.0), offered=4.0)
    assert shard.looked().held >= 5.0
    shard.buried("w2")
    first.draw()
    assert shard.looked().held == 0.0
    assert first.draw(USER).given[0].elsewhere == 0.0


def test_until_it_was_buried_the_banks_fill_as_if_it_used_its_share_alone(two, shard, clock):
    """It was silent for a second beyond its hold: half of what would have come may be gone."""
    first, _dead = two
    first.draw(Want("drain", 0.0, 0.0, waiting=40.0))
    for _ in range(20):
        clock.sleep(0.1)
        answer = first.draw(Want("drain", 0.0, 0.0), owed=TERMS.threshold * 0.1)
    before = answer.level
    clock.sleep(0.1)
    shard.buried("w2")
    assert first.draw().level - before == pytest.approx(TERMS.threshold * 0.1 / 2)
    clock.sleep(0.1)
    assert first.draw().level - before == pytest.approx(TERMS.threshold * 0.15)


def test_another_one_that_has_come_by_its_name_is_not_buried(two, shard, clock):
    first, _dead = two
    clock.sleep(0.3)
    shard.buried("w2")
    again = Worker(shard, clock, "w2", life="2", boot=5.0)
    again.draw()
    clock.sleep(0.3)
    first.draw()
    assert {seen.worker for seen in shard.looked().workers} == {"w1", "w2"}


def test_who_is_not_known_cannot_be_buried(two, shard):
    books = shard.books()
    assert not shard.buried("nobody")
    assert shard.books() == books


def test_a_ledger_that_nobody_has_come_to_buries_nobody(shard):
    assert not shard.buried("w1")
