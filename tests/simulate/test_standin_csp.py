"""What a stand-in CSP takes, answers, counts and tells."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from standin_talk import DEVICE, OTHER_DEVICE, USER, Talk, post, run_patiently, service_request, until, with_standin

from sluicegate.duis import compose_request
from sluicegate.duis.response import read_response
from sluicegate.simulate.standin_csp import Behaviour, CspSettings, Settings, StandInCsp, StandInUser


def csp(talk, **settings):
    return with_standin(StandInCsp, CspSettings(**settings), talk)


def test_an_sr_is_acknowledged_by_its_request_id():
    async def talk(line, standin):
        return await line.send(post(service_request(7)))

    status, fields, body = csp(talk)
    assert (status, fields["content-type"]) == (200, "application/xml")
    header = read_response(body)
    assert (header.code, header.request_id, header.response_id) == ("I99", f"{USER}:{DEVICE}:7", None)


def test_with_sync_the_answer_is_the_outcome():
    async def talk(line, standin):
        return await line.send(post(service_request(7)))

    header = read_response(csp(talk, sync=True)[2])
    assert (header.code, header.response_id) == ("I0", f"{DEVICE}:{USER}:7")


def test_any_path_is_taken_but_not_any_body():
    async def talk(line, standin):
        kinds = [await line.kind(post(service_request(), path="/x?y")), await line.kind(post(b"<hello/>"))]
        return kinds, await line.get("status")

    kinds, status = csp(talk)
    assert kinds == ["I99", 400]
    assert (status["arrived"], status["malformed"]) == (1, 1)


def test_a_firmware_message_of_fifteen_megabytes_is_taken():
    async def talk(line, standin):
        return await line.kind(post(compose_request(USER, USER, 1, "11.1", command_variant=6, size=15_000_000)))

    assert csp(talk) == "I99"


def test_each_request_id_is_executed_once_and_repetitions_get_the_same_answer():
    async def talk(line, standin):
        sent = [
            post(service_request(1)),
            post(service_request(1), "Sluicegate-Repeat: yes", "Sluicegate-Attempt: 2"),
            post(service_request(1), "Sluicegate-Attempt: 3"),
            post(service_request(2)),
        ]
        kinds = [await line.kind(one) for one in sent]
        return kinds, await line.get("status"), await line.get("requests")

    kinds, status, told = csp(talk, sync=True)
    assert kinds == ["I0"] * 4
    assert (status["arrived"], status["request_ids"], status["executed"], status["executed_twice"]) == (4, 2, 2, 0)
    assert status["repeated"] == {
        "marked": 1, "unmarked": 1, "marked_after_execution": 1, "unmarked_after_execution": 1,
    }  # fmt: skip
    assert status["attempts"] == {"0": 2, "2": 1, "3": 1}
    assert (status["answered"], status["in_progress"]) == ({"I0": 4}, 0)
    first, second = told["requests"]
    assert (first["request_id"], first["count"], first["attempt"], first["marked"]) == (f"{USER}:{DEVICE}:1", 3, 3, 1)
    assert first["first"] <= first["last"] <= second["first"]
    assert (first["executed"], first["answer"], second["count"]) == (True, "I0", 1)


def test_the_list_is_paged_in_the_order_of_first_arrival():
    async def talk(line, standin):
        for counter in (5, 6, 5, 7):
            await line.send(post(service_request(counter)))
        pages, since = [], 0
        while (page := await line.get(f"requests?since={since}&limit=2"))["requests"]:
            pages.append([int(row["request_id"].split(":")[2]) for row in page["requests"]])
            since = page["next"]
        return pages, since, page["in_all"]

    assert csp(talk) == ([[5, 6], [7]], 3, 3)


def test_what_is_too_much_to_remember_is_forgotten_oldest_first():
    async def talk(line, standin):
        for counter in range(10):
            await line.send(post(service_request(counter)))
        return await line.get("requests"), await line.get("status")

    told, status = csp(talk, remember=8)
    assert [row["number"] for row in told["requests"]] == list(range(2, 10))
    assert (told["forgotten"], status["request_ids"], status["executed"]) == (2, 10, 10)


@pytest.mark.parametrize("query", ["since=x", "limit=0", "limit=10001", "since=-1", "limit=" + "9" * 20])
def test_a_page_that_cannot_be_is_refused(query):
    async def talk(line, standin):
        return await line.send(f"GET /stand-in/requests?{query} HTTP/1.1\r\nhost: x\r\n\r\n".encode())

    assert csp(talk)[0] == 400


def test_other_pages_and_methods_are_told_what_there_is():
    async def talk(line, standin):
        asked = (b"GET /", b"POST /stand-in/no", b"DELETE /stand-in/status")
        return [await line.send(one + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n") for one in asked]

    answers = csp(talk)
    assert [one[0] for one in answers] == [404, 404, 405]
    assert all(b"/stand-in/requests" in one[2] for one in answers)


def test_an_sr_that_comes_after_a_later_one_for_its_device_is_told():
    async def talk(line, standin):
        for counter, device in ((2, DEVICE), (1, OTHER_DEVICE), (1, DEVICE), (2, DEVICE), (3, DEVICE)):
            await line.send(post(service_request(counter, device)))
        return await line.get("status")

    status = csp(talk)
    assert (status["order_violations"], status["execution_order_violations"]) == (1, 1)
    assert f"{USER}:{DEVICE}:1 arrived" in status["examples"][0]


def test_an_sr_that_is_executed_after_a_later_one_is_told_though_it_came_first():
    async def talk(line, standin):
        await line.control(fail=1)
        await line.send(post(service_request(1)))
        await line.control(fail=0)
        for counter in (2, 1):
            await line.send(post(service_request(counter)))
        return await line.get("status")

    status = csp(talk)
    assert (status["order_violations"], status["execution_order_violations"]) == (0, 1)


def test_requests_of_one_device_at_once_are_counted_and_a_repetition_is_not_another():
    async def talk(line, standin):
        writers = []
        for counter, device in ((1, DEVICE), (1, DEVICE), (1, OTHER_DEVICE), (2, DEVICE)):
            _, writer = await line.connect()
            writer.write(post(service_request(counter, device)))
            writers.append(writer)
            await until(lambda: standin.arrived == len(writers))
            if counter == 1:
                assert standin.order.most_at_once == 1
        return standin.order.most_at_once

    assert csp(talk, behaviour=Behaviour(latency=3000)) == 2


def test_a_request_whose_connection_has_ended_is_not_here_any_more():
    async def talk(line, standin):
        _, writer = await line.connect()
        writer.write(post(service_request(1)))
        await until(lambda: standin.arrived)
        writer.close()
        await until(lambda: not standin.in_progress)
        _, writer = await line.connect()
        writer.write(post(service_request(2)))
        await until(lambda: standin.arrived == 2)
        return await line.get("status")

    status = csp(talk, behaviour=Behaviour(latency=3000))
    assert (status["max_at_once_per_device"], status["answered"], status["in_progress"]) == (1, {"abandoned": 1}, 1)


def test_what_goes_to_no_device_has_no_order():
    async def talk(line, standin):
        for counter in (2, 1):
            await line.send(post(service_request(counter, command_variant=8, srv="12.2")))
        return await line.get("status")

    status = csp(talk)
    assert (status["order_violations"], status["max_at_once_per_device"], status["executed"]) == (0, 0, 2)


def test_outcomes_are_posted_once_and_tried_again_until_they_are_taken():
    async def main():
        user = await StandInUser.start(Settings(behaviour=Behaviour(fail=1)))
        standin = await StandInCsp.start(
            CspSettings(outcome=f"http://127.0.0.1:{user.port}/api/v1/responses", outcome_latency=20)
        )
        line, other = Talk(standin.port), Talk(user.port)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for counter in (1, 2, 1):
            assert await line.kind(post(service_request(counter))) == "I99"
        assert (await line.get("status"))["outcomes"] == {"sent": 0, "waiting": 2, "tries_failed": 0}
        await until(lambda: user.answered["failed"] > 5)
        assert loop.time() - began >= 20
        await other.control(fail=0)
        await until(lambda: not standin.status()["outcomes"]["waiting"])
        told = (await line.get("status"))["outcomes"], await other.get("responses"), await other.get("status")
        line.close()
        other.close()
        await standin.stop()
        await user.stop()
        return told

    outcomes, told, status = run_patiently(main())
    assert (outcomes["sent"], outcomes["tries_failed"]) == (2, status["answered"]["failed"])
    assert (status["codes"], status["repeated"]) == ({"I0": 2}, {"marked": 0, "unmarked": 0})
    taken = [row for row in told["responses"] if row["kind"] == "taken"]
    assert {(row["request_id"], row["response_id"]) for row in taken} == {
        (f"{USER}:{DEVICE}:{n}", f"{DEVICE}:{USER}:{n}") for n in (1, 2)
    }


def test_outcomes_wait_for_an_address_that_refuses_connections():
    async def main():
        user = await StandInUser.start()
        url = f"http://127.0.0.1:{user.port}/"
        await user.stop()
        standin = await StandInCsp.start(CspSettings(outcome=url))
        line = Talk(standin.port)
        await line.send(post(service_request()))
        await until(lambda: standin.status()["outcomes"]["tries_failed"] > 3)
        told = standin.status()["outcomes"], standin.summary()
        line.close()
        await standin.stop()
        return told

    outcomes, summary = run_patiently(main())
    assert (outcomes["sent"], outcomes["waiting"]) == (0, 1)
    assert summary == "arrived 1, executed 1, repeated 0; outcomes sent 0, waiting 1"


def test_with_too_many_outcomes_waiting_no_more_is_taken(monkeypatch):
    monkeypatch.setattr("sluicegate.simulate.standin_csp.outcomes.Outcomes.full", property(lambda _: True))

    async def talk(line, standin):
        return await line.send(post(service_request())), await line.get("status")

    (status, fields, _), told = csp(talk, outcome="http://127.0.0.1:9/", outcome_latency=60)
    assert (status, fields["retry-after"], told["executed"], told["answered"]) == (503, "1", 0, {"full": 1})


def test_a_late_outcome_is_acknowledged_first_even_with_sync():
    async def main():
        user = await StandInUser.start()
        standin = await StandInCsp.start(
            CspSettings(
                outcome=f"http://127.0.0.1:{user.port}/", sync=True, behaviour=Behaviour(late=1, late_seconds=60)
            )
        )
        line = Talk(standin.port)
        loop = asyncio.get_running_loop()
        kinds = [await line.kind(post(service_request())) for _ in range(2)]
        began = loop.time()
        await until(lambda: standin.status()["outcomes"]["sent"])
        elapsed, taken = loop.time() - began, user.status()["codes"]
        line.close()
        await standin.stop()
        await user.stop()
        return kinds, elapsed, taken

    kinds, elapsed, taken = run_patiently(main())
    assert kinds == ["I99", "I99"]
    assert elapsed >= 59
    assert taken == {"I0": 1}


def test_the_journal_has_a_line_for_each_arrival(tmp_path):
    path = tmp_path / "north.log"
    path.write_text("kept\n")

    async def talk(line, standin):
        await line.send(post(service_request(1)))
        await line.send(post(service_request(1), "sluicegate-repeat: yes", "sluicegate-attempt: 2"))
        await line.control(fail=1)
        await line.send(post(service_request(2), "sluicegate-attempt: x y"))
        await asyncio.sleep(0.2)
        return path.read_text()

    kept, *lines = csp(talk, journal=path).splitlines()
    assert kept == "kept"
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"first {USER}:{DEVICE}:1 0 - I99",
        f"again {USER}:{DEVICE}:1 2 marked I99",
        f"first {USER}:{DEVICE}:2 0 - failed",
    ]
    assert all(re.fullmatch(r"\d+\.\d{3}", line.split()[0]) for line in lines)


def test_a_journal_that_cannot_be_written_is_told():
    async def talk(line, standin):
        await line.send(post(service_request(1)))
        await asyncio.sleep(0.2)
        return (await line.get("status"))["journal"], standin.summary()

    said, summary = csp(talk, journal=Path("/dev/full"))
    assert said.startswith("cannot be written: ")
    assert said in summary


def test_a_journal_that_cannot_be_opened_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OSError, match="none") as error:
        csp(None, journal=tmp_path / "none" / "x")
    assert str(error.value.filename).endswith("none/x")


def test_an_address_that_is_taken_is_an_error_that_names_it():
    async def main():
        first = await StandInCsp.start()
        try:
            await StandInCsp.start(CspSettings(port=first.port))
        finally:
            await first.stop()

    with pytest.raises(OSError, match="in use") as error:
        run_patiently(main())
    assert error.value.filename.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"outcome": "https://x/"}, "http://"),
        ({"outcome": "http://me:secret@x/"}, "user name and password"),
        ({"outcome": "http://x:99999/"}, "http://"),
        ({"outcome_latency": 1}, "need an address"),
        ({"outcome": "http://x/", "outcome_latency": -1}, "0 to 3600"),
        ({"behaviour": Behaviour(late=0.1)}, "need an address"),
        ({"name": ""}, "name"),
        ({"remember": 0}, "remembered"),
    ],
)
def test_settings_that_cannot_be_are_refused_without_telling_secrets(settings, said):
    with pytest.raises(ValueError, match=said) as error:
        CspSettings(**settings)
    assert "secret" not in str(error.value)


def test_the_heading_says_where_it_listens():
    async def talk(line, standin):
        return standin.heading(), standin.port, standin.control_port

    said, port, control = csp(talk, name="south", control=("127.0.0.1", 0))
    assert said == (f"stand-in CSP south listens on http://127.0.0.1:{port}, control on http://127.0.0.1:{control}")


def test_the_status_is_json_with_all_figures():
    async def talk(line, standin):
        return await line.get("status"), standin.status()

    asked, own = csp(talk)
    assert asked.keys() == json.loads(json.dumps(own)).keys()
