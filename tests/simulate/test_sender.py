import asyncio
import json

import pytest
from virtual_time import run_virtually

from sluicegate.simulate.sender import Answer, Load, NoAnswerError, Outcome, RetryHabit, classify, send


def problem(status, kind):
    return Answer(status, "application/problem+json", None, json.dumps({"type": kind}).encode())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, "application/xml", None, b""), Outcome.DELIVERED),
        (Answer(202, "", None, b""), Outcome.DELIVERED),
        (Answer(429, "text/plain", 3.0, b""), Outcome.THROTTLED),
        (problem(503, "https://example.org/problems/throttled"), Outcome.THROTTLED),
        (problem(503, "https://example.org/problems/overloaded"), Outcome.FAILED),
        (problem(502, "https://example.org/problems/throttled"), Outcome.FAILED),
        (Answer(503, "application/problem+json; charset=utf-8", 1.0, b'{"type":"throttled"}'), Outcome.THROTTLED),
        (Answer(503, "Application/Problem+JSON", None, b"{"), Outcome.FAILED),
        (Answer(503, "application/problem+json", None, b"[]"), Outcome.FAILED),
        (Answer(503, "application/problem+json", None, b'{"type": 5}'), Outcome.FAILED),
        (Answer(503, "application/problem+json", None, b"\xff"), Outcome.FAILED),
        (Answer(503, "text/plain", None, b"throttled"), Outcome.REFUSED),
        (Answer(500, "", None, b""), Outcome.REFUSED),
        (Answer(404, "text/html", None, b""), Outcome.REFUSED),
    ],
)
def test_an_answer_is_ours_or_the_upstreams_by_its_type(answer, outcome):
    assert classify(answer) is outcome


OK = Answer(200, "", None, b"")


class Scripted:
    """Stands in for a client: gives its answers in turn, the last one for ever, each after ``takes`` seconds."""

    def __init__(self, *answers, takes=0.0):
        self.answers = list(answers)
        self.takes = takes
        self.asked = []

    async def post(self, path, body):
        self.asked.append((round(asyncio.get_running_loop().time() - 1000, 6), path, body))
        await asyncio.sleep(self.takes)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


USUAL = RetryHabit()


def play(client, times, until=100.0, habit=USUAL, compose=lambda: ("/s", b"m")):
    seen = []

    async def main():
        load = Load(times, compose, client, habit)
        note = lambda journey, *what: seen.append(what)  # noqa: E731
        return await send([load], asyncio.get_running_loop().time(), until, note)

    return run_virtually(main()), seen


def test_requests_leave_on_time_however_slow_the_answers_are():
    client = Scripted(OK, takes=30)
    play(client, [0.5, 1.0, 1.5])
    assert [at for at, *_ in client.asked] == [0.5, 1.0, 1.5]


def test_latency_counts_from_the_intended_time_and_over_retries():
    client = Scripted(Answer(429, "", 4.0, b""), OK, takes=0.25)
    (journey,), _ = play(client, [1.0])
    assert journey.seconds == pytest.approx(4.5)
    assert (journey.attempts, journey.throttled) == (2, 1)
    assert journey.delivered_within(4.6)
    assert not journey.delivered_within(4.4)


def test_a_throttled_request_comes_again_when_it_was_told_to():
    client = Scripted(Answer(429, "", 7.0, b""), OK)
    play(client, [2.0])
    assert [at for at, *_ in client.asked] == [2.0, 9.0]


def test_a_refused_or_failed_request_comes_again_after_the_habitual_pause():
    client = Scripted(Answer(503, "", None, b""), NoAnswerError("reset"), OK)
    (journey,), seen = play(client, [0.0], habit=RetryHabit(tries=4, pause=1.5))
    assert [at for at, *_ in client.asked] == [0.0, 1.5, 3.0]
    assert [outcome for _, _, outcome in seen] == [Outcome.REFUSED, Outcome.FAILED, Outcome.DELIVERED]
    assert not journey.given_up


def test_a_request_is_given_up_after_its_tries():
    client = Scripted(NoAnswerError("reset"))
    (journey,), _ = play(client, [0.0], habit=RetryHabit(tries=3, pause=1))
    assert len(client.asked) == 3
    assert journey.given_up
    assert journey.seconds is None
    assert not journey.delivered_within(1e9)


def test_what_is_open_when_the_run_ends_stays_open():
    client = Scripted(Answer(429, "", 60.0, b""))
    (journey,), _ = play(client, [0.0], until=10.0)
    assert (journey.last, journey.given_up, journey.delivered_at) == (Outcome.THROTTLED, False, None)


def test_each_attempt_is_told_with_when_it_was_sent_and_answered():
    client = Scripted(Answer(429, "", 2.0, b""), OK, takes=0.5)
    _, seen = play(client, [1.0])
    assert seen == [(1.0, 1.5, Outcome.THROTTLED), (3.5, 4.0, Outcome.DELIVERED)]


def test_a_load_that_breaks_is_told_and_not_taken_for_a_quiet_one():
    def broken():
        raise KeyError("no such SRV")

    with pytest.raises(KeyError):
        play(Scripted(OK), [0.0], compose=broken)


def test_an_attempt_that_breaks_is_told():
    with pytest.raises(ZeroDivisionError):
        play(Scripted(ZeroDivisionError()), [0.0])


def test_a_request_that_would_come_again_after_its_limit_is_given_up():
    client = Scripted(Answer(429, "", 8.0, b""))
    (journey,), _ = play(client, [1.0], habit=RetryHabit(tries=100, limit=20.0))
    assert [at for at, *_ in client.asked] == [1.0, 9.0, 17.0]  # 25 would be 24 s after it was meant to leave
    assert journey.given_up
