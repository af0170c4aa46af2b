import asyncio
import json
import re

import pytest

from sluicegate.duis import compose_request
from sluicegate.simulate.plant import PlantShape
from sluicegate.simulate.standin import MAX_HEAD_OCTETS, MAX_PIPELINED, StandIn, StandInSettings

ORIGINATOR, TARGET = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"


def service_request(counter=1):
    return compose_request(ORIGINATOR, TARGET, counter, "2.2", size=1700)


def post(body, *fields, path="/api/v1/serviceS"):
    head = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def get(path="/stand-in/status"):
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


async def answer(reader):
    """Status, header fields and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = dict(re.findall(r"\r\n([^:]+): ([^\r]*)", head))
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split()[1]), fields, body


def with_standin(talk, shape=None, latency=0.0):
    """Run ``talk(connect, standin)`` against a stand-in on a free port."""

    async def main():
        standin = await StandIn.start(StandInSettings(shape, latency, port=0))
        writers = []

        async def connect():
            reader, writer = await asyncio.open_connection(standin.host, standin.port)
            writers.append(writer)
            return reader, writer

        try:
            async with asyncio.timeout(60):
                return await talk(connect, standin)
        finally:
            for writer in writers:
                writer.close()
            await standin.stop()

    return asyncio.run(main())


def asked(octets, shape=None):
    """The one answer to these octets on a connection of their own, and whether the connection then ended."""

    async def talk(connect, _):
        reader, writer = await connect()
        writer.write(octets)
        got = await answer(reader)
        if got[1].get("connection") == "close":
            assert await reader.read() == b""
        return got

    return with_standin(talk, shape)


def test_a_service_request_is_acknowledged_by_its_request_id():
    status, fields, body = asked(post(service_request(7)))
    assert (status, fields["content-type"]) == (200, "application/xml")
    assert b"<sr:ResponseCode>I99</sr:ResponseCode>" in body
    assert f"<sr:RequestID>{ORIGINATOR}:{TARGET}:7</sr:RequestID>".encode() in body


def test_any_path_is_taken():
    assert asked(post(service_request(), path="/some/where?else=1"))[0] == 200


def test_a_chunked_body_is_taken():
    body = service_request(8)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:]))
    head = b"POST /s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert b":8</sr:RequestID>" in asked(head + chunks + b"0\r\n\r\n")[2]


def test_a_body_of_ten_megabytes_is_taken():
    assert asked(post(compose_request(ORIGINATOR, TARGET, 1, "11.1", size=10_000_000)))[0] == 200


def test_a_body_above_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr("sluicegate.simulate.standin.MAX_BODY_OCTETS", 5000)
    status, fields, _ = asked(post(compose_request(ORIGINATOR, TARGET, 1, "11.1", size=6000)))
    assert (status, fields["connection"]) == (413, "close")


def test_a_head_above_the_limit_is_refused():
    status, fields, _ = asked(b"POST / HTTP/1.1\r\nx: " + b"y" * (10 * MAX_HEAD_OCTETS))
    assert (status, fields["connection"]) == (431, "close")


@pytest.mark.parametrize("octets", [b"\x16\x03\x01 hello\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"])
def test_what_is_not_http_is_refused(octets):
    assert asked(octets)[0] == 400


def test_what_is_no_service_request_is_refused_and_costs_the_plant_nothing():
    async def talk(connect, standin):
        reader, writer = await connect()
        writer.write(post(b"<hello/>"))
        got = await answer(reader)
        return got, standin.desk.status()["arrived"]

    (status, _, body), arrived = with_standin(talk, PlantShape(1, 1))
    assert (status, arrived) == (400, 0)
    assert body.startswith(b"stand-in DSP: ")


def test_other_methods_and_pages_are_told_so():
    assert asked(get("/"))[0] == 404
    assert asked(b"DELETE / HTTP/1.1\r\nhost: x\r\n\r\n")[0] == 405


def test_a_sender_that_waits_for_100_continue_gets_it_first():
    async def talk(connect, _):
        reader, writer = await connect()
        body = service_request()
        writer.write(post(body, "expect: 100-continue")[: -len(body)])
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        return first, (await answer(reader))[0]

    first, status = with_standin(talk)
    assert first.startswith(b"HTTP/1.1 100 ")
    assert status == 200


def test_a_sender_that_closes_after_its_request_is_answered_and_closed():
    assert asked(post(service_request(), "connection: close"))[1]["connection"] == "close"


def test_pipelined_requests_are_answered_in_their_order():
    async def talk(connect, _):
        reader, writer = await connect()
        writer.write(post(service_request(1)) + post(b"<no/>") + get() + post(service_request(2)))
        return [await answer(reader) for _ in range(4)]

    first, second, third, fourth = with_standin(talk, PlantShape(200, 10))
    assert [one[0] for one in (first, second, third, fourth)] == [200, 400, 200, 200]
    assert b":1</sr:RequestID>" in first[2]
    assert b":2</sr:RequestID>" in fourth[2]


def test_a_sender_that_pipelines_without_reading_is_paced_and_loses_nothing():
    count = 5 * MAX_PIPELINED

    async def talk(connect, _):
        reader, writer = await connect()
        writer.write(b"".join(post(service_request(n)) for n in range(count)))
        return [(await answer(reader))[2] for _ in range(count)]

    bodies = with_standin(talk)
    assert all(f":{n}</sr:RequestID>".encode() in body for n, body in enumerate(bodies))


def test_a_full_buffer_is_a_503_of_its_own_without_retry_after():
    async def talk(connect, _):
        _, writer = await connect()
        other_reader, other_writer = await connect()
        writer.write(post(service_request()))
        other_writer.write(get())
        while json.loads((await answer(other_reader))[2])["queue"] == 0:
            other_writer.write(get())
        other_writer.write(post(service_request()))
        return await answer(other_reader)

    status, fields, body = with_standin(talk, PlantShape(0.1, 1))
    assert status == 503
    assert "retry-after" not in fields
    assert fields["content-type"] == "text/plain"
    assert b"buffer is full" in body


def test_an_outage_resets_what_is_held_and_refuses_what_comes():
    async def talk(connect, standin):
        reader, writer = await connect()
        writer.write(post(service_request()))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        reader, writer = await connect()
        writer.write(post(service_request()))
        refused = await answer(reader)
        writer.write(get())
        return refused, json.loads((await answer(reader))[2])

    (status, fields, body), told = with_standin(talk, PlantShape(0.1, 1, outage_after=0.02, restart=60))
    assert (status, "retry-after" in fields) == (503, False)
    assert b"out of order" in body
    assert (told["state"], told["lost"], told["outages"], told["queue"]) == ("down", 2, 1, 0)


def test_the_status_says_what_became_of_all():
    async def talk(connect, _):
        reader, writer = await connect()
        for n in range(3):
            writer.write(post(service_request(n)))
            await answer(reader)
        writer.write(get())
        return json.loads((await answer(reader))[2])

    told = with_standin(talk, PlantShape(500, 5))
    assert told["state"] == "up"
    assert (told["arrived"], told["served"], told["refused"], told["lost"]) == (3, 3, 0, 0)
    assert (told["capacity"], told["buffer"]) == (500, 5)


def test_without_a_plant_everything_is_served_at_once():
    async def talk(connect, standin):
        reader, writer = await connect()
        writer.write(post(service_request()))
        await answer(reader)
        return standin.desk.status()

    told = with_standin(talk)
    assert (told["served"], told["capacity"]) == (1, None)


def test_stopping_cuts_what_is_open():
    async def talk(connect, standin):
        reader, writer = await connect()
        writer.write(get())
        await answer(reader)
        await standin.stop()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""

    assert with_standin(talk) == b""


@pytest.mark.parametrize("latency", [-1, float("inf"), float("nan")])
def test_an_impossible_latency_is_refused(latency):
    with pytest.raises(ValueError, match="latency"):
        StandInSettings(latency=latency)
