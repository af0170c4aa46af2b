"""Each way in which a stand-in CSP can fare badly, over real sockets."""

import asyncio

import pytest
from standin_talk import DEVICE, OTHER_DEVICE, Talk, post, run_patiently, service_request, until, with_standin

from sluicegate.simulate.standin_csp import Behaviour, CspSettings, Schedule, StandInCsp


def csp(talk, **settings):
    return with_standin(StandInCsp, CspSettings(**settings), talk)


def kinds_of(count, behaviour, seed=1, **settings):
    """How so many SRs are answered, and the status then."""

    async def talk(line, standin):
        kinds = [await line.kind(post(service_request(n, f"00-DB-12-34-56-78-90-{n:02X}"))) for n in range(count)]
        return kinds, await line.get("status")

    return csp(talk, behaviour=behaviour, seed=seed, **settings)


def test_a_failure_is_a_500_and_nothing_is_executed():
    kinds, status = kinds_of(2, Behaviour(fail=1))
    assert (kinds, status["executed"], status["answered"]) == ([500, 500], 0, {"failed": 2})


def test_busy_is_a_503_with_retry_after_and_nothing_is_executed():
    async def talk(line, standin):
        return await line.send(post(service_request())), await line.get("status")

    (code, fields, _), status = csp(talk, behaviour=Behaviour(busy=1, busy_seconds=6.5))
    assert (code, fields["retry-after"], status["executed"], status["answered"]) == (503, "7", 0, {"busy": 1})


def test_what_is_dropped_was_executed_and_the_connection_breaks():
    kinds, status = kinds_of(2, Behaviour(drop=1))
    assert kinds == ["ConnectionResetError"] * 2
    assert (status["executed"], status["answered"]) == (2, {"dropped": 2})


def test_what_is_cut_was_executed_and_the_connection_ends_in_mid_answer():
    kinds, status = kinds_of(5, Behaviour(cut=1))
    assert kinds == ["IncompleteReadError"] * 5
    assert (status["executed"], status["answered"]) == (5, {"cut": 5})


def test_a_cut_answer_has_begun():
    async def talk(line, standin):
        reader, writer = await line.connect()
        writer.write(post(service_request()))
        return await reader.read()

    octets = csp(talk, behaviour=Behaviour(cut=1))
    assert octets
    assert b"HTTP/1.1 200 OK".startswith(octets[:15])
    assert not octets.endswith(b"Response>\n")


def test_a_device_that_does_not_answer_this_time_is_an_e21_and_may_answer_next_time():
    async def talk(line, standin):
        first = await line.kind(post(service_request()))
        await line.control(no_answer=0)
        return first, await line.kind(post(service_request())), await line.get("status")

    first, second, status = csp(talk, behaviour=Behaviour(no_answer=1))
    assert (first, second, status["executed"]) == ("E21", "I99", 1)


def test_devices_that_never_answer_are_always_the_same():
    def silent(seed):
        kinds, _ = kinds_of(100, Behaviour(no_answer_devices=0.3), seed=seed)
        return [kind == "E21" for kind in kinds]

    first = silent(1)
    assert first == silent(1)
    assert first != silent(2)
    assert 10 <= sum(first) <= 55

    async def talk(line, standin):
        return [[await line.kind(post(service_request(n, device))) for n in range(20)] for device in devices]

    devices = (DEVICE, OTHER_DEVICE)
    assert all(len(set(kinds)) == 1 for kinds in csp(talk, behaviour=Behaviour(no_answer_devices=0.5)))


def test_chance_depends_on_the_seed_and_not_on_the_order():
    behaviour = Behaviour(fail=0.2, drop=0.2, cut=0.2, busy=0.2)

    def kinds(seed, order):
        async def talk(line, standin):
            return {n: await line.kind(post(service_request(n))) for n in order}

        return csp(talk, behaviour=behaviour, seed=seed)

    assert kinds(1, range(60)) == kinds(1, reversed(range(60))) != kinds(2, range(60))
    assert len(set(kinds(1, range(60)).values())) == 5


def test_the_next_attempt_has_its_own_luck():
    async def talk(line, standin):
        return [await line.kind(post(service_request())) for _ in range(40)]

    assert set(csp(talk, behaviour=Behaviour(fail=0.5))) == {500, "I99"}


def test_the_latency_lies_within_its_spread():
    async def talk(line, standin):
        loop, took = asyncio.get_running_loop(), []
        for n in range(30):
            before = loop.time()
            assert await line.kind(post(service_request(n))) == "I99"
            took.append(loop.time() - before)
        return took

    took = csp(talk, behaviour=Behaviour(latency=10, spread=4))
    assert min(took) >= 6
    assert max(took) <= 14.1
    assert max(took) - min(took) > 4


def test_beyond_the_capacity_srs_wait_and_beyond_the_queue_they_are_refused():
    async def talk(line, standin):
        loop = asyncio.get_running_loop()
        began, lines = loop.time(), [Talk(standin.port) for _ in range(5)]
        answers = await asyncio.gather(*(one.send(post(service_request(n))) for n, one in enumerate(lines)))
        elapsed = loop.time() - began
        for one in lines:
            one.close()
        return answers, elapsed, await line.get("status")

    answers, elapsed, status = csp(talk, behaviour=Behaviour(rate=0.5, queue=3))
    assert [one[0] for one in answers].count(200) == 3
    assert {one[1]["retry-after"] for one in answers if one[0] == 503} == {"6"}
    assert elapsed >= 6
    assert (status["executed"], status["answered"]) == (3, {"full": 2, "I99": 3})


def test_another_capacity_takes_what_comes_and_the_old_one_serves_what_it_holds():
    async def talk(line, standin):
        reader, writer = await line.connect()
        writer.write(post(service_request(1)))
        await until(lambda: standin.arrived)
        await line.control(rate=1000)
        second = await line.kind(post(service_request(2)))
        await line.control(rate=0)
        third = await line.kind(post(service_request(3)))
        return second, third, (await reader.readline()).split()[1]

    assert csp(talk, behaviour=Behaviour(rate=0.01, queue=1)) == ("I99", "I99", b"200")


def test_down_by_schedule_refuses_connections_and_comes_back_on_the_same_port():
    async def talk(line, standin):
        seen = [await line.kind(post(service_request(1)))]
        reader, writer = await line.connect()
        writer.write(post(service_request(2))[:-1])  # it is under way when the CSP goes down
        await asyncio.sleep(21)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        seen += [await line.kind(post(service_request(3))) for _ in range(3)]
        await asyncio.sleep(30)
        seen.append(await line.kind(post(service_request(3))))
        return seen, await line.get("status")

    seen, status = csp(talk, schedule=Schedule.read("20-50:down"))
    assert seen[0] == seen[-1] == "I99"
    assert set(seen[1:-1]) <= {"ConnectionResetError", "ConnectionRefusedError", "IncompleteReadError"}
    assert seen[-2] == "ConnectionRefusedError"
    assert (status["state"], status["request_ids"]) == ("up", 2)


def test_down_from_the_start_begins_refusing():
    async def talk(line, standin):
        return await line.kind(post(service_request()))

    assert csp(talk, schedule=Schedule.read("0-10")) == "ConnectionRefusedError"


def test_hanging_takes_everything_and_answers_nothing():
    async def talk(line, standin):
        reader, writer = await line.connect()
        writer.write(post(service_request()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9):
                await reader.read()
        hanging = await line.get("status")
        writer.close()
        await asyncio.sleep(2)
        return hanging, await line.kind(post(service_request())), await line.get("status")

    hanging, kind, status = csp(talk, schedule=Schedule.read("0-10:hang"))
    assert (hanging["state"], hanging["in_progress"], hanging["executed"]) == ("hang", 1, 0)
    assert (kind, status["executed"], status["answered"]) == ("I99", 1, {"abandoned": 1, "I99": 1})


def test_a_schedule_slows_and_fails():
    async def talk(line, standin):
        loop, took = asyncio.get_running_loop(), []
        await asyncio.sleep(10.5)
        for n in range(2):
            before = loop.time()
            await line.kind(post(service_request(n)))
            took.append(loop.time() - before)
        await asyncio.sleep(30)
        return took, await line.kind(post(service_request(3)))

    took, kind = csp(talk, behaviour=Behaviour(latency=1), schedule=Schedule.read("10-30:slow=5,30-99:fail=1"))
    assert all(5 <= one < 6 for one in took)
    assert kind == 500


def test_slowing_a_csp_without_latency_is_refused():
    with pytest.raises(ValueError, match="slow=FACTOR multiplies"):
        CspSettings(schedule=Schedule.read("1-2:slow=3"))


def test_down_by_control_closes_the_door_and_the_other_address_opens_it_again():
    async def talk(line, standin):
        control = Talk(standin.control_port)
        before = await line.kind(post(service_request(1)))
        answers = [await control.control(state="down")]
        down = [await line.kind(post(service_request(2))) for _ in range(3)]
        state = (await control.get("status"))["state"]
        refused = await control.kind(post(service_request(3)))
        answers.append(await control.control(state="up"))
        await until(lambda: standin._door.is_open)
        after = await line.kind(post(service_request(2)))
        control.close()
        return before, down, state, refused, after, [one[0] for one in answers]

    before, down, state, refused, after, answers = csp(talk, control=("127.0.0.1", 0))
    assert (before, after, state, refused, answers) == ("I99", "I99", "down", 404, [200, 200])
    assert down[1:] == ["ConnectionRefusedError"] * 2


def test_down_by_control_without_another_address_breaks_what_comes_and_can_be_ended():
    async def talk(line, standin):
        reader, writer = await line.connect()
        writer.write(post(service_request(1)))
        await until(lambda: standin.arrived)
        status, _, body = await line.control(state="down")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        kinds = [await line.kind(post(service_request(2))) for _ in range(2)]
        told = await line.get("status")
        await line.control(state="schedule", latency=0)
        return status, body, kinds, told, await line.kind(post(service_request(2)))

    status, body, kinds, told, after = csp(talk, behaviour=Behaviour(latency=3000))
    assert status == 200
    assert b'"state": "down"' in body
    assert kinds == ["ConnectionResetError"] * 2
    assert (told["state"], told["broken_while_down"], after) == ("down", 2, "I99")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", b"JSON"),
        (b"[1]", b"JSON"),
        (b"{" * 50_000, b"JSON"),
        (b'{"fail": 2}', b"probability"),
        (b'{"fail": "1"}', b"number"),
        (b'{"fail": true}', b"number"),
        (b'{"fail": NaN}', b"number"),
        (b'{"latency": 1' + b"0" * 400 + b"}", b"at most"),
        (b'{"queue": 1' + b"0" * 400 + b"}", b"queue"),
        (b'{"queue": 1.5}', b"queue"),
        (b'{"spread": 1}', b"spread"),
        (b'{"rate": 1e-9}', b"rate"),
        (b'{"late": 1}', b"outcomes"),
        (b'{"state": "off"}', b"up, down, hang"),
        (b'{"state": 1}', b"up, down, hang"),
        (b'{"sleep": 1}', b"unknown"),
    ],
)
def test_a_control_that_cannot_be_is_refused_and_changes_nothing(body, said):
    async def talk(line, standin):
        before = await line.get("status")
        got = await line.send(post(body, path="/stand-in/control"))
        after = await line.get("status")
        return got, before["behaviour"] == after["behaviour"], after["state"]

    (status, _, text), same, state = csp(talk)
    assert (status, same, state) == (400, True, "up")
    assert said in text


def test_stopping_cuts_what_is_open():
    async def main():
        standin = await StandInCsp.start(CspSettings(behaviour=Behaviour(latency=5)))
        line = Talk(standin.port)
        reader, writer = await line.connect()
        writer.write(post(service_request()))
        await until(lambda: standin.arrived)
        await standin.stop()
        ended = await reader.read()
        refused = await line.kind(post(service_request()))
        line.close()
        return ended, refused

    assert run_patiently(main()) == (b"", "ConnectionRefusedError")
