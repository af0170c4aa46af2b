"""The User's certificate reaches the gateway; and the example of docs/client.md runs as it stands."""

import asyncio
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from client_rig import LATER, message, passes, run, until

from sluicegate.client import AsyncClient, Unreachable
from sluicegate.duis import compose_response, read_header

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path):
    """Certificates by the names that the page uses, and the gateway's side of them."""
    authority = trustme.CA()
    user = authority.issue_cert("user@example.org")
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    user.private_key_pem.write_to_path(tmp_path / "user.key")
    user.cert_chain_pems[0].write_to_path(tmp_path / "user.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return tmp_path, context


async def gateway(context, names):
    """A server that wants a certificate, and acknowledges."""

    async def serve(reader, writer):
        names.append(writer.get_extra_info("peercert")["subjectAltName"][0][1])
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        header = read_header(body, complete=True)
        told = compose_response("I99", header.request_id, srv=header.srv, at=datetime.now(UTC))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (len(told), told)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    return server, f"https://localhost:{server.sockets[0].getsockname()[1]}"


def test_the_example_of_the_page_runs_with_the_users_certificate(files, monkeypatch):
    folder, context = files
    monkeypatch.chdir(folder)
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs/client.md").read_text("utf-8"), re.DOTALL)[1]

    async def go():
        names = []
        server, url = await gateway(context, names)
        async with server:
            names_of_page = {}
            exec(block.replace("https://gateway.example:8079", url), names_of_page)
            assert await names_of_page["top_up"](message(1)) == "I99"
        assert names == ["user@example.org"]

    run(go())


def test_who_is_not_trusted_is_not_sent_anything(files):
    _, context = files

    async def go():
        server, url = await gateway(context, [])
        async with server, AsyncClient(url) as client:
            posting = asyncio.create_task(client.post(message(1), deadline=LATER))
            await until(lambda: [one for one in client._posts.values() if one.last])
            passes(LATER)
            with pytest.raises(Unreachable, match=r"(?i)certificate") as error:
                await posting
        assert error.value.sent is False

    run(go())
