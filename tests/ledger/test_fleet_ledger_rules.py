"""The rules of the ledger, over the functions in Python and over a real Valkey. C = 100, T = 80, B = 0.5: D = 40."""

import pytest
from fleet_of_one import TERMS, Worker

from sluicegate.ledger.fleet.messages import Want

D = 40.0
USER = Want("u", 8.0, 4.0)
SLACK = 0.1 * TERMS.threshold  # SR: what a message's way may take without holding the clock back


@pytest.fixture
def worker(shard, clock):
    """The first one, with all banks full."""
    made = Worker(shard, clock)
    made.draw()
    made.idle(10.0)
    return made


def join(worker, name="w2"):
    """Another worker beside the first: it has its share after each has heard of the other."""
    other = Worker(worker.shard, worker.clock, name, worker.terms, boot=9_000.0)
    for each in (other, worker, worker, other):
        each.draw()
    return other


def drain(worker, part=1.0):
    """Until the system holds nothing. What is granted is told as spent."""
    worker.draw(Want("drain", 0.0, 0.0, waiting=D * part))
    return worker.draw(Want("drain", 0.0, 0.0))


def test_what_one_worker_was_given_no_other_one_is(worker):
    other = join(worker)
    (mine,) = worker.draw(USER._replace(waiting=3.0)).given
    (theirs,) = other.draw(USER._replace(waiting=3.0)).given
    assert (mine.within, theirs.within) == (3.0, 1.0)
    assert theirs.elsewhere == 0.0  # what requests waited for is spent as it arrives
    worker.draw(USER._replace(held=2.0))
    assert other.draw(USER).given[0].elsewhere == 2.0  # it was not: now it is in hand


def test_offered_tokens_are_at_most_half_of_what_there_is_among_all_workers(worker):
    other = join(worker)
    assert worker.draw(offered=100.0).offered == pytest.approx(D / 4)
    assert other.draw(offered=100.0).offered == pytest.approx(30.0 / 4)
    assert other.draw(offered=1.0, offered_held=7.5).offered == 1.0


def test_in_advance_a_bank_gives_only_what_it_holds_above_its_half(worker):
    (given,) = worker.draw(USER._replace(ahead=3.0)).given
    assert given.within == 2.0
    (given,) = worker.draw(USER._replace(ahead=3.0, held=2.0)).given
    assert given.within == 0.0


def test_grants_are_whole_units(worker):
    (given,) = worker.draw(USER._replace(unit=1.5, ahead=2.0)).given
    assert given.within == 1.5
    (given,) = worker.draw(USER._replace(unit=1.5, waiting=2.5)).given
    assert given.within == 1.5


def test_tokens_in_hand_count_against_the_depth_of_their_bank(worker):
    other = join(worker)
    worker.draw(USER._replace(ahead=2.0))
    for _ in range(10):
        worker.clock.sleep(0.5)
        worker.draw(USER._replace(held=2.0))
        (given,) = other.draw(USER).given
    assert (given.level, given.elsewhere) == (2.0, 2.0)
    worker.draw(USER)  # spent: the bank fills up again
    worker.clock.sleep(0.5)
    (given,) = other.draw(USER).given
    assert (given.level, given.elsewhere) == (4.0, 0.0)


def test_tokens_in_hand_count_against_the_depth_of_the_system(worker):
    worker.draw(USER._replace(waiting=4.0), offered=10.0)
    worker.clock.sleep(0.9)
    worker.draw(USER._replace(held=4.0), offered_held=10.0)
    look = worker.shard.looked()
    assert (look.held, look.offered, look.system) == (14.0, D - 14.0, D - 14.0)


def test_what_is_given_back_is_there_again(worker):
    worker.draw(USER._replace(waiting=4.0), offered=10.0)
    before = worker.shard.looked()
    (given,) = worker.draw(USER._replace(back=4.0), offered_back=10.0).given
    after = worker.shard.looked()
    assert given.level == 4.0
    assert (after.system - before.system, after.offered - before.offered, after.held) == (14.0, 14.0, 0.0)


def test_more_than_was_given_cannot_be_given_back(worker):
    drain(worker)
    (given,) = worker.draw(USER._replace(back=1e6, excess_back=1e6), offered_back=1e6).given
    assert given.level <= 4.0
    assert worker.shard.looked().system <= 0.0


def test_an_answer_that_was_lost_is_put_right_by_the_next_ask(worker):
    worker.draw(USER._replace(waiting=4.0), offered=10.0, lost=True)
    worker.draw(USER)
    assert worker.shard.looked().held == 0.0


def test_what_was_granted_to_who_waited_is_spent_as_it_came_whether_that_is_told_or_not(worker):
    worker.draw(USER._replace(waiting=3.0), Want("v", 0.0, 0.0, waiting=2.0))
    assert worker.shard.looked().held == 5.0
    worker.draw()
    assert worker.shard.looked().held == 0.0
    worker.draw(USER, Want("v", 0.0, 0.0))
    assert worker.shard.looked().held == 0.0


def test_what_a_worker_has_in_hand_of_it_all_the_same_is_not_spent(worker):
    worker.draw(USER._replace(waiting=3.0), Want("v", 0.0, 0.0, waiting=2.0))
    worker.draw(stray=4.0)
    assert worker.shard.looked().held == 4.0, "one was spent"
    worker.draw(USER._replace(held=3.0), stray=1.0)
    assert worker.shard.looked().held == 4.0
    worker.draw(USER, Want("v", 0.0, 0.0, excess_held=1.0))
    assert worker.shard.looked().held == 1.0


def test_no_more_than_was_granted_to_who_waited_can_be_in_hand_untold(worker):
    worker.draw(USER._replace(waiting=3.0), offered=5.0)
    worker.draw(offered_held=5.0, stray=1e6)
    assert worker.shard.looked().held == 8.0


def test_what_was_granted_to_who_waited_at_a_worker_that_is_gone_is_spent(worker):
    other = join(worker)
    other.draw(USER._replace(waiting=3.0))
    worker.idle(worker.terms.hold + 1.0)
    assert worker.shard.looked().held == 0.0


def test_what_was_spent_as_it_came_can_be_given_back_up_to_the_depth(worker):
    worker.draw(USER._replace(waiting=3.0))
    worker.draw()
    (given,) = worker.draw(USER._replace(back=1.0)).given
    assert (given.level, worker.shard.looked().held) == (2.0, 0.0)
    worker.draw(USER._replace(waiting=1.0))
    worker.idle(2.0)
    (given,) = worker.draw(USER._replace(back=1.0)).given
    assert given.level == 4.0


def test_what_is_not_sent_after_all_goes_back_to_the_system(worker):
    worker.draw(offered=10.0)
    before = worker.shard.looked()
    worker.draw(unsent=4.0)
    after = worker.shard.looked()
    assert after.system - before.system == 4.0
    assert after.offered == before.offered  # it was offered all the same


def test_a_request_that_waits_leaves_its_reserve_in_the_bank_while_active(worker):
    drain(worker)
    worker.draw(throttled=True)
    (given,) = worker.draw(USER._replace(waiting=3.0, reserve=2.0)).given
    assert given.within == 2.0


def test_late_charges_never_take_a_bank_below_nil(worker):
    (given,) = worker.draw(USER._replace(late=1e6)).given
    assert given.level == 0.0


def test_debts_end_at_the_floors(worker):
    worker.draw(owed=1e9)
    assert worker.shard.looked().offered == -TERMS.threshold * TERMS.calm_seconds
    for _ in range(50):  # a hundred Users within their allocations, in lumps, beyond the threshold for long
        worker.clock.sleep(0.5)
        worker.draw(*(Want(f"u{i}", 1.0, 1.0, waiting=1.0, held=1.0) for i in range(100)))
        assert worker.shard.looked().system >= -TERMS.deepest


def test_whoever_waits_is_served_of_the_bank_then_of_what_is_left_for_all(worker):
    (given,) = worker.draw(USER._replace(waiting=100.0)).given
    assert (given.within, given.excess) == (4.0, D - 4.0)
    answer = worker.draw(USER._replace(waiting=1.0))
    assert (answer.given[0].within, answer.given[0].excess) == (0.0, 0.0)
    assert answer.active


def test_traffic_management_is_active_until_nothing_happened_for_the_calm_time(worker):
    assert worker.draw(throttled=True).active
    assert worker.idle(29.0).active
    assert not worker.idle(1.5).active


def test_excess_in_advance_is_the_users_own_part(worker):
    drain(worker)
    got = {"u": 0.0, "v": 0.0}
    for _ in range(200):
        worker.clock.sleep(0.05)
        wants = (Want("u", 8.0, 4.0, excess=8.0, asked=8.0), Want("v", 24.0, 12.0, excess=8.0, asked=8.0))
        for name, given in zip(got, worker.draw(*wants, owed=16.0).given, strict=True):
            got[name] += given.excess
    assert sum(got.values()) == pytest.approx(800.0, rel=0.05)
    assert got["v"] / got["u"] == pytest.approx(3.0, rel=0.05)


def test_a_worker_hears_how_much_of_what_its_user_asks_for_comes_by_others(worker):
    other = join(worker)
    worker.draw(USER._replace(asked=3.0))
    (given,) = other.draw(USER._replace(waiting=1.0)).given
    assert given.demand == 4.0
    worker.idle(5.0)
    (given,) = other.draw(USER).given
    assert given.demand == pytest.approx(4.0 / 2.718281828, rel=0.01)


def test_a_request_that_is_asked_for_again_is_no_more_demand(worker):
    drain(worker)
    (given,) = worker.draw(USER._replace(waiting=2.0)).given
    (once_more,) = worker.draw(USER._replace(waiting=3.0, again=2.0)).given
    assert (given.demand, once_more.demand) == (2.0, 3.0)


@pytest.mark.parametrize("off", [3600.0, -3600.0])
def test_a_server_whose_clock_is_an_hour_off_mints_nothing(worker, off):
    drain(worker)
    worker.clock.jump += round(off * 1e6)
    worker.clock.sleep(0.01)
    assert worker.draw().level <= SLACK + 0.81
    for _ in range(5):
        worker.clock.jump += round(3600e6)
        worker.draw()
    assert worker.shard.looked().offered <= SLACK + 0.81


@pytest.mark.parametrize("off", [3600.0, -3600.0])
def test_a_worker_whose_clock_is_an_hour_off_mints_nothing(worker, off):
    other = join(worker)
    drain(worker)
    other.boot += off
    worker.clock.sleep(0.01)
    other.draw()
    worker.clock.sleep(0.01)
    assert 0.0 <= worker.draw().level <= 1.61


def test_a_server_whose_clock_stands_still_does_not_fill(worker):
    drain(worker)
    worker.clock.sleep(1.0)
    worker.clock.jump -= 1_000_000
    assert worker.draw().level == 0.0


def test_an_empty_ledger_begins_with_empty_banks_and_tokens_of_before_are_worth_nothing(worker):
    before = worker.draw(USER._replace(waiting=4.0), offered=10.0)
    worker.shard.flush()
    answer = worker.draw(USER._replace(back=4.0), offered_back=10.0)
    assert answer.epoch != before.epoch
    assert (answer.level, answer.given[0].level) == (0.0, 0.0)
    worker.clock.sleep(0.25)
    answer = worker.draw(USER)
    assert (answer.level, answer.given[0].level) == (20.0, 2.0)


def test_another_run_of_the_server_is_another_epoch(worker):
    before = worker.draw()
    worker.shard.restart("run2")
    answer = worker.draw()
    assert answer.epoch != before.epoch
    assert answer.level == 0.0
    assert worker.draw().epoch == answer.epoch


def test_tokens_of_a_worker_that_is_gone_lapse(worker):
    other = join(worker)
    other.draw(USER._replace(waiting=4.0), offered=10.0)
    other.draw(USER._replace(held=4.0), offered_held=10.0)
    (given,) = worker.draw(USER).given
    assert given.elsewhere == 4.0
    worker.clock.sleep(0.9)
    (given,) = worker.draw(USER).given
    assert (given.elsewhere, given.level) == (4.0, 0.0)  # its depth is all in hand
    worker.clock.sleep(0.2)
    worker.draw()  # somebody's draw finds that they have lapsed
    (given,) = worker.draw(USER).given
    assert (given.elsewhere, given.level) == (0.0, 0.0)  # destroyed: perhaps they were spent
    assert worker.shard.looked().held == 0.0


def test_another_life_of_a_worker_frees_the_tokens_and_the_share_of_the_one_before(worker):
    other = join(worker)
    other.draw(USER._replace(waiting=4.0))
    again = Worker(worker.shard, worker.clock, "w2", life="2", boot=1.0)
    again.draw()
    (given,) = worker.draw(USER).given
    assert given.elsewhere == 0.0
    assert again.draw().share == 0.5


def test_who_leaves_gives_back_its_tokens_and_its_share(worker):
    other = join(worker)
    other.draw(USER._replace(waiting=4.0))
    other.shard.left(other.ask(USER._replace(back=4.0)))
    answer = worker.draw(USER)
    assert (answer.given[0].level, answer.given[0].elsewhere) == (4.0, 0.0)
    assert (answer.workers, answer.share) == (1, 1.0)


def test_each_workers_share_is_an_equal_part_once_the_others_have_confirmed_theirs(worker):
    other = Worker(worker.shard, worker.clock, "w2", boot=9_000.0)
    assert other.draw().share == 0.0  # the first one holds the whole
    assert worker.draw(lost=True).share == 0.5
    assert other.draw().share == 0.0  # it may still hold it
    worker.draw()
    worker.draw()
    assert other.draw().share == 0.5


def test_while_a_worker_is_silent_its_share_is_not_filled_until_its_lease_has_ended(worker):
    join(worker)
    assert worker.idle(0.5).fill == 1.0
    worker.idle(0.5)
    assert worker.idle(0.5).fill == 0.5
    drain(worker, 0.5)
    worker.clock.sleep(0.25)
    assert worker.draw().level == pytest.approx(10.0)
    assert worker.idle(597.0).fill == 0.5
    assert worker.idle(3.0).fill == 1.0


def test_while_a_worker_is_silent_no_bank_is_deeper_than_the_others_shares_of_it(worker):
    """Else banks of shares would be full beside full banks of the whole."""
    other = join(worker)
    worker.idle(5.0, each=0.25)
    assert worker.shard.looked().fill == 0.5
    answer = worker.draw(USER)
    assert (answer.level, answer.given[0].level) == (D / 2, USER.depth / 2)
    other.draw()
    answer = worker.draw(USER)
    assert (answer.level, answer.given[0].level) == (D / 2, USER.depth / 2), "it is back, but brings nothing with it"
    worker.clock.sleep(0.1)
    answer = worker.draw(USER)
    assert (answer.level, answer.given[0].level) == pytest.approx((D / 2 + 8.0, USER.depth / 2 + 0.8))
    worker.clock.sleep(0.5)
    answer = worker.draw(USER)
    assert (answer.level, answer.given[0].level) == (D, USER.depth)


def test_what_a_silent_worker_admitted_alone_is_charged_beyond_its_share(worker):
    other = join(worker)
    worker.idle(5.0)  # the other one has been silent for 4 s, and might have admitted 160 SR of its share
    drain(worker, 0.5)
    assert other.draw(USER._replace(alone=150.0)).level == 0.0
    worker.idle(3.0, each=1.5)
    other.draw()
    level = worker.draw().level
    assert other.draw(USER._replace(alone=30.0)).level == pytest.approx(level - 30.0, abs=1.0)
    (seen,) = (each for each in worker.shard.looked().workers if each.worker == "w2")
    assert seen.alone == 180.0


def test_after_a_restart_it_fills_at_the_shares_of_those_who_have_come(worker):
    other = join(worker)
    worker.shard.flush()
    assert worker.draw().fill == 0.5
    worker.clock.sleep(0.25)
    assert worker.draw().level == 10.0
    other.draw()
    assert worker.draw().fill == 1.0


def test_after_a_restart_what_nobody_came_for_fills_when_all_leases_have_ended(worker):
    join(worker)
    worker.shard.flush()
    worker.draw()
    assert worker.idle(599.0).fill == 0.5
    assert worker.idle(1.5).fill == 1.0


def test_after_a_restart_a_newcomer_gets_no_share_that_somebody_may_hold(worker):
    join(worker)
    worker.shard.flush()
    worker.draw()
    newcomer = Worker(worker.shard, worker.clock, "w3", boot=1.0)
    newcomer.draw()
    assert newcomer.draw().share == 0.0


def test_a_newcomer_that_finds_the_clock_far_behind_holds_no_share_that_another_one_is_told_too(worker):
    """Its lease began when it drew. By the books it had ended as soon as another one's draw moved the clock on."""
    newcomer = Worker(worker.shard, worker.clock, "w2", boot=1.0)
    Worker(worker.shard, worker.clock, "w3", boot=1.0).draw()
    worker.idle(1.0)
    assert worker.share == 0.5  # the rest is free
    worker.clock.sleep(worker.terms.lease + 1.0)
    newcomer.draw()
    worker.share = 0.0  # its lease has ended
    for _ in range(3):
        worker.draw()
        assert newcomer.share + worker.share <= 1.0
    for each in (newcomer, worker, worker, newcomer):
        each.draw()
    assert newcomer.share == worker.share == 0.5


def test_a_first_start_waits_whether_somebody_comes_who_holds_a_share(shard, clock):
    terms = TERMS._replace(settle=3.0)
    first = Worker(shard, clock, terms=terms)
    assert first.draw().fill == 0.0
    assert first.idle(2.5).fill == 0.0
    assert first.idle(1.0).fill == 1.0


def test_other_terms_are_taken_from_the_worker_that_has_changed_its_own(worker):
    other = join(worker)
    worker.terms = TERMS._replace(threshold=40.0)
    worker.idle(0.5)
    other.draw()
    worker.idle(0.5)
    assert worker.shard.looked().offered == 20.0
    other.draw()
    worker.idle(0.5)
    assert worker.shard.looked().offered == 20.0  # the other one has said nothing new


def test_a_deeper_bank_is_not_filled_by_that(worker):
    worker.draw(USER)
    (given,) = worker.draw(USER._replace(depth=10.0)).given
    assert given.level == 4.0
    (given,) = worker.draw(USER._replace(depth=2.0)).given
    assert given.level == 2.0
