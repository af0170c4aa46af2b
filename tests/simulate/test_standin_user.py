"""What a stand-in User takes, counts and tells."""

import asyncio
from datetime import UTC, datetime

from standin_talk import DEVICE, USER, post, with_standin

from sluicegate.duis import compose_response
from sluicegate.simulate.standin_csp import Behaviour, Schedule, Settings, StandInUser

AT = datetime(2026, 1, 1, tzinfo=UTC)


def response(code="I0", counter=1, **more):
    return post(compose_response(code, f"{USER}:{DEVICE}:{counter}", srv="2.2", at=AT, **more), path="/responses")


def marked(octets, **fields):
    lines = "".join(f"Sluicegate-{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return octets.replace(b"host: x\r\n", b"host: x\r\n" + lines.encode())


def user(talk, **settings):
    return with_standin(StandInUser, Settings(**settings), talk)


def test_responses_are_taken_and_remembered_with_what_the_dispatcher_says_of_them():
    async def talk(line, standin):
        returned = marked(response("E20"), attempts=5, try_again_after=600)
        late = marked(response("I0"), late="yes", attempt=2, repeat="yes")
        answers = [await line.send(one) for one in (returned, late, response("I0", 2))]
        return [one[0] for one in answers], await line.get("responses"), await line.get("status")

    answers, told, status = user(talk)
    assert answers == [200] * 3
    first, second, third = told["responses"]
    assert (first["code"], first["attempts"], first["try_again_after"], first["late"]) == ("E20", "5", "600", "")
    assert (second["late"], second["attempt"], second["repeat"], second["kind"]) == ("yes", "2", "yes", "taken")
    assert (third["number"], third["request_id"]) == (2, f"{USER}:{DEVICE}:2")
    assert (status["arrived"], status["request_ids"], status["codes"]) == (3, 2, {"E20": 1, "I0": 2})
    assert (status["late"], status["with_several_codes"]) == (1, 1)


def test_a_response_that_was_taken_before_is_a_repetition():
    async def talk(line, standin):
        for one in (response(), response(), marked(response(), repeat="yes")):
            assert (await line.send(one))[0] == 200
        return await line.get("responses"), await line.get("status")

    told, status = user(talk)
    assert [row["kind"] for row in told["responses"]] == ["taken", "repeated", "repeated"]
    assert (status["codes"], status["repeated"]) == ({"I0": 1}, {"marked": 1, "unmarked": 1})


def test_a_response_without_a_request_id_is_known_by_its_response_id():
    body = compose_response("I0", None, response_id=f"{DEVICE}:{USER}:9", srv="2.2", at=AT)

    async def talk(line, standin):
        await line.send(post(body))
        return (await line.get("responses"))["responses"][0], (await line.get("status"))["request_ids"]

    row, ids = user(talk)
    assert (row["request_id"], row["response_id"], ids) == ("", f"{DEVICE}:{USER}:9", 1)


def test_what_is_no_response_is_refused():
    async def talk(line, standin):
        return await line.kind(post(b"<hello/>")), await line.get("status")

    kind, status = user(talk)
    assert (kind, status["malformed"], status["arrived"]) == (400, 1, 0)


def test_a_failure_is_a_500_and_not_taken():
    async def talk(line, standin):
        kinds = [await line.kind(response())]
        await line.control(fail=0)
        kinds.append(await line.kind(response()))
        return kinds, await line.get("status"), await line.get("responses")

    kinds, status, told = user(talk, behaviour=Behaviour(fail=1))
    assert kinds == [500, 200]
    assert (status["codes"], status["answered"]) == ({"I0": 1}, {"failed": 1, "taken": 1})
    assert [row["kind"] for row in told["responses"]] == ["failed", "taken"]


def test_what_is_dropped_or_cut_was_taken():
    async def talk(line, standin):
        dropped = await line.kind(response())
        await line.control(drop=0, cut=1)
        cut = await line.kind(response(counter=2))
        await line.control(cut=0)
        return dropped, cut, await line.kind(response()), await line.get("status")

    dropped, cut, again, status = user(talk, behaviour=Behaviour(drop=1))
    assert (dropped, cut, again) == ("ConnectionResetError", "IncompleteReadError", 200)
    assert (status["codes"], status["repeated"]["unmarked"]) == ({"I0": 2}, 1)


def test_the_latency_passes_before_the_answer():
    async def talk(line, standin):
        loop = asyncio.get_running_loop()
        before = loop.time()
        await line.send(response())
        return loop.time() - before

    assert user(talk, behaviour=Behaviour(latency=7)) >= 7


def test_down_refuses_and_hanging_never_answers():
    async def talk(line, standin):
        down = await line.kind(response())
        await asyncio.sleep(11)
        _, writer = await line.connect()
        writer.write(response())
        await asyncio.sleep(5)
        hung = await line.get("status"), (await line.get("responses"))["responses"][0]["kind"]
        return down, hung

    down, (status, kind) = user(talk, schedule=Schedule.read("0-10,10-20:hang"))
    assert down == "ConnectionRefusedError"
    assert (status["in_progress"], status["codes"], kind) == (1, {}, "hung")


def test_chance_is_the_arrivals_own():
    async def talk(line, standin):
        return [await line.kind(response(counter=n)) for n in order]

    order = list(range(40))
    forth = user(talk, behaviour=Behaviour(fail=0.5))
    order.reverse()
    assert forth == user(talk, behaviour=Behaviour(fail=0.5))[::-1]
    assert set(forth) == {200, 500}


def test_what_is_too_much_to_remember_is_forgotten_oldest_first():
    async def talk(line, standin):
        for counter in range(10):
            await line.send(response(counter=counter))
        return await line.get("responses?since=0&limit=3"), await line.get("status")

    told, status = user(talk, remember=8)
    assert [row["number"] for row in told["responses"]] == [2, 3, 4]
    assert (told["next"], told["forgotten"], status["arrived"], status["request_ids"]) == (5, 2, 10, 10)


def test_the_summary_says_what_was_taken():
    async def talk(line, standin):
        before = standin.summary()
        for one in (response("I0"), response("E21", 2), response("I0")):
            await line.send(one)
        return before, standin.summary()

    assert user(talk) == ("arrived 0, taken: nothing; repeated 0", "arrived 3, taken: E21 1, I0 1; repeated 1")
