"""A ledger that is slow, or has more to do than it can: workers wait for it, and ask it for less."""

import pytest
from bench.fleet.crowd import crowd
from bench.fleet.lean import LeanFleet, shared_book
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.ledger.face import ASK
from sluicegate.ledger.fleet.drawing import FEWEST, SELDOM, TURN, Breadth, offered_target, own_target, turn_of
from sluicegate.ledger.fleet.messages import Answer, Given
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits

WAIT, HOLD = 0.05, 0.5
LIMITS = Limits(200, 100, 1.0)


def answer(ask, *, offered=0.0, level=100.0, active=False, share=1.0, within=0.0, bank=20.0):
    given_each = tuple(Given(within, 0.0, bank, 0.0, 0.0, 0.0) for _ in ask.wants)
    return Answer("e", ask.number, offered, level, active, 0.0, share, 1, 1.0, 1.0, given_each)


def begun(now=0.0, **got):
    """A worker whose first draw was answered at once."""
    worker = Worker("w", LIMITS, {"a": 20.0, "b": 40.0}, now, wait=WAIT, hold=HOLD)
    ask = worker.next_ask(now)
    worker.take(answer(ask, **got), now)
    return worker


def waits(worker, now, name="a"):
    told = []
    assert worker.decide(worker.account(name), 1.0, now) == ASK
    worker.waiting(told.append, worker.account(name), 1.0, now)
    return told


# --- patience


def test_a_draw_that_is_late_is_taken_as_long_as_what_is_in_hand_is_good():
    worker = begun()
    told = waits(worker, 0.1)
    ask = worker.next_ask(0.1)
    worker.tick(0.1 + WAIT)
    assert told == [THROTTLED], "a request waits no longer, whatever becomes of the draw"
    assert not worker.share.alone
    worker.tick(HOLD - 0.01)
    assert worker.sent is not None
    worker.take(answer(ask, offered=5.0, within=1.0), HOLD - 0.01)
    assert worker.decide(worker.account("b"), 1.0, HOLD) != ASK
    assert worker.lost_draws == 0


def test_a_draw_is_lost_once_what_is_in_hand_has_expired_and_the_worker_decides_by_its_share():
    worker = begun(share=0.5)
    worker.ask(0.1)
    worker.tick(HOLD)
    assert worker.share.alone
    assert worker.lost_draws == 1
    assert worker.alone is not None


def test_a_draw_has_all_of_wait_however_long_its_requests_have_waited():
    worker = begun()
    worker.share.alone = True
    worker.ask(1.0)
    assert worker.lost_at >= 1.0 + WAIT


def test_who_waits_is_told_in_time_though_the_draw_under_way_may_take_longer():
    worker = begun()
    woken = []
    worker.wake = lambda: woken.append(True)
    worker.ask(0.1)
    told = waits(worker, 0.12)
    assert woken, "whoever drives it would sleep until the draw is lost"
    assert worker.due(0.12) == pytest.approx(0.12 + WAIT)
    worker.tick(worker.due(0.12))
    assert told == [THROTTLED]


def test_who_was_throttled_before_a_draw_spoke_of_it_is_charged_as_offered():
    worker = begun()
    worker.ask(0.1)
    waits(worker, 0.12)
    worker.tick(0.12 + WAIT)
    assert worker.owed == 1.0
    assert worker.throttled
    worker.sent = None
    assert worker.ask(0.2).owed == 1.0


def test_a_first_answer_that_comes_too_late_still_tells_the_share():
    worker = Worker("w", LIMITS, {"a": 20.0}, 0.0, wait=WAIT, hold=HOLD)
    ask = worker.next_ask(0.0)
    worker.tick(1.0)
    assert worker.share.alone
    assert worker.alone is None
    worker.too_late(answer(ask, offered=3.0, share=0.25), ask)
    assert worker.share.held == 0.25
    assert worker.alone is not None
    assert worker.offered_back == 3.0, "what it grants goes back"


def test_a_later_answer_that_comes_too_late_tells_the_share_where_the_first_told_none():
    worker = Worker("w", LIMITS, {"a": 20.0}, 0.0, wait=WAIT, hold=HOLD)
    worker.take(answer(worker.next_ask(0.0), share=0.0), 0.01)
    ask = worker.ask(0.02)
    worker.tick(1.0)
    assert worker.alone is None
    worker.too_late(answer(ask, share=0.25), ask)
    assert worker.share.held == 0.25
    assert worker.alone is not None


def test_a_share_that_a_later_draw_did_not_confirm_is_not_taken():
    worker = Worker("w", LIMITS, {"a": 20.0}, 0.0, wait=WAIT, hold=HOLD)
    first = worker.next_ask(0.0)
    worker.tick(1.0)
    worker.ask(2.0)  # says that it has none: the ledger may promise it to others
    worker.too_late(answer(first, share=1.0), first)
    assert worker.share.held == 0.0


# --- what is told seldom


def told_of(worker, now):
    ask = worker.ask(now)
    worker.take(answer(ask, offered=50.0), now)
    return {want.user: want.late for want in ask.wants}


def test_what_a_bank_gave_is_told_seldom_while_there_is_plenty_and_then_in_whole():
    worker = begun(offered=50.0)
    worker.account("b").level = 40.0
    assert worker.decide(worker.account("b"), 1.0, 0.01) == WITHIN
    assert "b" not in told_of(worker, 0.02)
    assert worker.decide(worker.account("b"), 1.0, 0.03) == WITHIN
    assert "b" not in told_of(worker, 0.05)
    assert told_of(worker, 0.01 + SELDOM)["b"] == 2.0


@pytest.mark.parametrize("got", [{"level": 40.0}, {"active": True}])
def test_it_is_told_with_the_next_draw_once_little_is_left(got):
    worker = begun(offered=50.0, **got)
    worker.account("b").level = 40.0
    assert worker.decide(worker.account("b"), 1.0, 0.01) == WITHIN
    assert told_of(worker, 0.02)["b"] == 1.0


def test_it_is_told_with_the_next_draw_where_much_of_the_bank_is_gone():
    worker = begun(offered=50.0)
    hand = worker.account("b")
    hand.level = hand.depth
    assert hand.depth == 40.0
    for _ in range(21):
        worker.decide(hand, 1.0, 0.01)
    assert told_of(worker, 0.02)["b"] == 21.0


def test_what_was_refused_is_told_seldom_and_then_in_whole():
    worker = begun(active=True)
    hand = worker.account("b")
    hand.told_at, hand.bank, hand.credit, hand.rises = 0.0, -40.0, -40.0, 1.0
    for _ in range(2):
        assert worker.decide(hand, 1.0, 0.01) == THROTTLED
    ask = worker.ask(0.02)
    assert (ask.wants, ask.owed, ask.throttled) == ((), 2.0, True)
    worker.take(answer(ask, active=True), 0.02)
    assert worker.decide(hand, 1.0, 0.03) == THROTTLED
    (want,) = worker.ask(SELDOM).wants
    assert (want.user, want.asked) == ("b", 3.0)


@pytest.mark.parametrize(("demand", "waiting"), [(5.0 * 40.0, 4), (5.0 * 200.0, 1)])
def test_of_a_user_far_beyond_its_allocation_only_those_wait_who_may_get_the_next_tokens(demand, waiting):
    """One is there, and 40 SR/s come for 80 ms until a draw arrives; a tenth of all it asks for comes here."""
    worker = begun(active=True)
    hand = worker.account("b")
    hand.demand_here = demand / 10
    hand.told(Given(0.0, 0.0, 1.0, 0.0, -40.0, demand), 0.0, 0.0, 0.0)
    waited = 0
    while worker.decide(hand, 1.0, 0.055) == ASK:
        worker.waiting(lambda _: None, hand, 1.0, 0.055)
        waited += 1
    assert waited == waiting


@pytest.mark.parametrize("named", [True, False])
def test_what_came_for_a_request_that_waits_no_more_is_told_with_the_next_draw(named):
    """By User, or, where the draw has no room for that, with all others of the kind."""
    worker = begun()
    waits(worker, 0.1)
    ask = worker.next_ask(0.1)
    worker.tick(0.1 + WAIT)
    worker.take(answer(ask, within=1.0), 0.16)
    waits(worker, 0.17, "b")
    worker.breadth.users = 2 if named else 1
    ask = worker.ask(0.18)
    told = {want.user: want.held + want.back for want in ask.wants}
    assert (told.get("a", 0.0), ask.stray) == ((1.0, 0.0) if named else (0.0, 1.0))


def test_what_came_for_a_request_that_waited_is_not_told_by_itself():
    worker = begun()
    told = waits(worker, 0.1)
    worker.take(answer(worker.next_ask(0.1), within=1.0), 0.11)
    assert told == [WITHIN]
    for turn in range(2, 6):
        ask = worker.ask(turn * 0.1)
        assert (ask.wants, ask.stray) == ((), 0.0)
        worker.take(answer(ask), turn * 0.1)
    waits(worker, 0.6)
    (want,) = worker.ask(0.61).wants
    assert (want.user, want.held, want.waiting) == ("a", 0.0, 1.0)


def test_a_draw_tells_what_of_those_who_wait_was_asked_for_before():
    """Else who keeps to its allocation, and waits for two draws, seems to ask for twice as much."""
    worker = begun()
    waits(worker, 0.1)
    ask = worker.next_ask(0.1)
    waits(worker, 0.105)
    worker.take(answer(ask, bank=5.0), 0.11)
    (want,) = worker.ask(0.125).wants
    assert (want.waiting, want.again) == (2.0, 1.0)
    assert worker.account("a").demand_here == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("kind", ["within", "excess"])
def test_what_did_not_reach_the_system_behind_goes_back_and_is_not_spent_again(kind):
    """For the ledger it was spent: with it in hand, banks would be full beside it."""
    worker = begun()
    waits(worker, 0.1)
    ask = worker.next_ask(0.1)
    given = (1.0, 0.0) if kind == "within" else (0.0, 1.0)
    got = answer(ask)._replace(given=(Given(*given, 0.0, 0.0, 0.0, 0.0),))
    worker.take(got, 0.11)
    hand = worker.account("a")
    worker.give_back(hand, 1.0, WITHIN if kind == "within" else EXCESS, 0.12)
    assert (hand.within, hand.excess) == (0.0, 0.0)
    (want,) = worker.ask(0.13).wants
    assert (want.back, want.excess_back) == given


# --- how much a draw speaks of, and for how long it draws


@given(st.lists(st.booleans(), max_size=300))
def test_a_draw_speaks_of_fewer_users_where_draws_take_long_and_of_more_where_they_do_not(slow):
    breadth = Breadth(1000)
    for late in slow:
        before = breadth.users
        breadth.took(2 * WAIT if late else WAIT / 2, WAIT)
        if late:
            assert breadth.users == max(FEWEST, int(before * 0.7))
        else:
            assert breadth.users == 1000 or breadth.users > before
        assert FEWEST <= breadth.users <= 1000


def test_the_slower_the_ledger_the_more_is_drawn_at_once():
    assert turn_of(0.002) == TURN
    assert turn_of(0.1) == pytest.approx(0.2)
    assert offered_target(1000.0, 1.0, 0.2) > 2 * offered_target(1000.0, 1.0)
    assert own_target(40.0, 1.0) == 0.0
    assert own_target(40.0, 1.0, 0.2) == pytest.approx(8.0)
    assert own_target(40.0, 1.0, most=0.9) == 0.0, "a small bank stays where everybody finds it"
    assert own_target(40.0, 1.0, most=2.5) == 2.0
    assert own_target(40.0, 1.0, most=50.0) == 3.0, "what comes in a turn, and what may come by chance"


def test_a_worker_learns_how_long_a_draw_takes():
    worker = begun()
    for number in range(30):
        sent = 0.1 + number * 0.2
        ask = worker.ask(sent)
        worker.take(answer(ask), sent + 0.08)
    assert worker.takes == pytest.approx(0.08, rel=0.02)


def test_who_waits_is_spoken_of_before_the_others_and_nobody_is_forgotten():
    limits = Limits(2000, 1000, 1.0)
    worker = Worker("w", limits, {f"u{n}": 10.0 for n in range(100)}, 0.0, wait=WAIT, hold=HOLD)
    worker.take(answer(worker.next_ask(0.0)), 0.0)
    worker.breadth.users = 10
    for n in range(40):
        worker.account(f"u{n}").asked = 1.0
        worker.note(worker.account(f"u{n}"))
    waits(worker, 0.15, "u39")
    spoken = []
    for turn in range(5):
        ask = worker.ask(0.16 + 0.01 * turn)
        spoken.extend(want.user for want in ask.wants)
        worker.breadth.users = 10
        worker.sent = None
    assert spoken[0] == "u39"
    assert sorted(spoken[:40]) == sorted(f"u{n}" for n in range(40))


@pytest.mark.parametrize("workers", [12, 24])
def test_below_the_threshold_a_ledger_that_cannot_speak_of_every_user_lets_everything_pass(workers):
    """By Users alone the ledger would need 1.6 and 3.2 cores: 250 us each, some 500 requests/s a worker."""
    of = crowd(20 * workers, 500.0 * workers, 700.0 * workers, seed=1)
    named = dict(zip(of.names, of.allocations.tolist(), strict=True))
    made, limits = shared_book(of.limits, named)
    fleet = LeanFleet(limits, made, workers, 1, base=0.0006, each=0.00025, hold=1.0)
    outcomes = []
    for end, who, where in of.ticks(2.0, workers, 1):
        fleet.run(end)
        for user, number in zip(who, where, strict=True):
            if end > 1.0:
                fleet.send(number, of.names[user], 1.0, lambda _at, outcome: outcomes.append(outcome))
            else:
                fleet.send(number, of.names[user], 1.0, lambda _at, _outcome: None)
    fleet.run(2.2)
    assert fleet.alone == 0
    assert outcomes.count(THROTTLED) <= len(outcomes) / 1000
    assert fleet.longest <= WAIT + 1e-6


def test_tokens_in_hand_that_are_as_they_were_told_are_not_told_with_every_draw():
    worker = begun(active=True)
    told = waits(worker, 0.05, "b")
    ask = worker.ask(0.06)
    worker.take(answer(ask, active=True, within=3.0), 0.06)
    assert told == [WITHIN]
    hand = worker.account("b")
    hand.flow = 60.0
    assert [want.user for want in worker.ask(0.07).wants] == ["b"], "one was spent"
    worker.take(answer(worker.sent[0], active=True), 0.07)
    held = hand.within
    assert held > 0
    assert worker.ask(0.08).wants == ()
    worker.take(answer(worker.sent[0], active=True), 0.08)
    assert hand.within == held
    ask = worker.ask(0.07 + SELDOM)
    assert [want.user for want in ask.wants] == ["b"]
    assert ask.wants[0].held + ask.wants[0].back == held, "what nobody asked for goes back"
