import asyncio

import pytest

from sluicegate.simulate.sender import Client, NoAnswerError


def against(behave, ask, **options):
    """Run ``ask(client)`` against a server whose connections are handled by ``behave(reader, writer)``."""

    async def main():
        async def handle(reader, writer):
            try:
                await behave(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        client = Client("127.0.0.1", server.sockets[0].getsockname()[1], **options)
        try:
            return await ask(client)
        finally:
            client.close()
            server.close()

    return asyncio.run(main())


def saying(*answers):
    """A server that gives these answers, one a request, on each connection."""

    async def behave(reader, writer):
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(sum(lengths))
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return behave


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


def test_an_answer_comes_with_its_status_type_and_body():
    said = b"HTTP/1.1 503 No\r\nContent-Type: text/plain\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"
    answer = against(saying(said), lambda client: client.post("/s", b"x"))
    assert (answer.status, answer.content_type, answer.retry_after, answer.body) == (503, "text/plain", 7.0, b"busy")


@pytest.mark.parametrize("told", [b"Wed, 21 Oct 2026 07:28:00 GMT", b"-1", b"1e9", b"9999999999", b""])
def test_a_retry_after_that_is_no_short_number_is_none(told):
    said = b"HTTP/1.1 503 No\r\nretry-after: " + told + b"\r\ncontent-length: 0\r\n\r\n"
    assert against(saying(said), lambda client: client.get("/")).retry_after is None


def test_a_chunked_answer_is_put_together():
    said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert against(saying(said), lambda client: client.get("/")).body == b"abcde"


def test_an_interim_answer_is_not_the_answer():
    said = b"HTTP/1.1 100 Continue\r\n\r\n" + OK
    assert against(saying(said), lambda client: client.get("/")).status == 200


def test_a_connection_is_used_again():
    connections = []

    async def behave(reader, writer):
        connections.append(writer)
        await saying(OK, OK, OK)(reader, writer)

    async def ask(client):
        for _ in range(3):
            await client.post("/s", b"x")

    against(behave, ask)
    assert len(connections) == 1


def test_a_connection_that_the_server_closes_is_not_used_again():
    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")

    async def ask(client):
        return [(await client.get("/")).status for _ in range(3)]

    assert against(saying(closing), ask) == [200, 200, 200]


def test_no_more_connections_than_allowed_are_open_at_once():
    now, most = 0, 0

    async def behave(reader, writer):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await saying(*[OK] * 50)(reader, writer)
        now -= 1

    async def ask(client):
        await asyncio.gather(*(client.get("/") for _ in range(50)))

    against(behave, ask, connections=3)
    assert most == 3


def test_no_answer_in_time_is_no_answer():
    async def behave(reader, writer):
        await reader.read()

    with pytest.raises(NoAnswerError, match="within"):
        against(behave, lambda client: client.get("/"), timeout=0.05)


def test_waiting_for_a_connection_counts_towards_the_time():
    async def behave(reader, writer):
        await reader.read()

    async def ask(client):
        return await asyncio.gather(client.get("/"), client.get("/"), return_exceptions=True)

    ends = against(behave, ask, connections=1, timeout=0.05)
    assert all(isinstance(end, NoAnswerError) for end in ends)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-len", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"],
)
def test_an_answer_that_breaks_off_is_no_answer(said):
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    with pytest.raises(NoAnswerError, match="closed"):
        against(behave, lambda client: client.get("/"))


def test_what_is_not_http_is_no_answer():
    with pytest.raises(NoAnswerError, match="not HTTP"):
        against(saying(b"SSH-2.0-OpenSSH\r\n\r\n"), lambda client: client.get("/"))


def test_an_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr("sluicegate.simulate.sender.client.MAX_ANSWER_OCTETS", 1000)
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000
    with pytest.raises(NoAnswerError, match="too large"):
        against(saying(said), lambda client: client.get("/"))


def test_nobody_listening_is_no_answer():
    async def main():
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        await Client("127.0.0.1", port).get("/")

    with pytest.raises(NoAnswerError, match="no connection"):
        asyncio.run(main())


def test_closing_the_client_ends_what_is_under_way():
    async def behave(reader, writer):
        await reader.read()

    async def ask(client):
        waiting = asyncio.create_task(client.get("/"))
        while not client._all:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.close()
        await waiting

    with pytest.raises(NoAnswerError):
        against(behave, ask)
