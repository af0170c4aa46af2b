"""Talking to a stand-in over real sockets, on a loop whose clock jumps ahead once the sockets have fallen silent."""

import asyncio
import json
import re
import selectors

from sluicegate.duis import compose_request

USER, DEVICE, OTHER_DEVICE = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", "00-DB-12-34-56-78-90-A1"
REAL_PATIENCE = 0.01


class _PatientSelector(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def select(self, timeout=None):
        if timeout is not None and timeout <= 0:
            return super().select(0)
        ready = super().select(REAL_PATIENCE)
        if not ready and timeout:
            self.now += timeout
        return ready


class PatientLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = _PatientSelector()
        super().__init__(self._clock)

    def time(self):
        return self._clock.now


def run_patiently(main):
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(main)


def service_request(counter=1, device=DEVICE, srv="2.2", **more):
    return compose_request(USER, device, counter, srv, size=1700, **more)


def post(body, *fields, path="/api/v1/serviceS"):
    head = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def answer(reader):
    """Status, header fields and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = dict(re.findall(r"\r\n([^:]+): ([^\r]*)", head))
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split()[1]), fields, body


def code(body):
    found = re.search(rb"ResponseCode>(\w+)<", body)
    return found[1].decode() if found else None


class Talk:
    """Connections to one port; each request on the one that is open, or on a new one."""

    def __init__(self, port):
        self.port = port
        self._open = None
        self._writers = []

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def send(self, octets):
        """What is answered: (status, fields, body), or the name of what went wrong."""
        try:
            if self._open is None:
                self._open = await self.connect()
            self._open[1].write(octets)
            return await answer(self._open[0])
        except (asyncio.IncompleteReadError, OSError) as error:
            self._open = None
            return type(error).__name__

    async def kind(self, octets):
        """The ResponseCode of the answer, its status where it has none, or what went wrong."""
        got = await self.send(octets)
        return got if isinstance(got, str) else code(got[2]) or got[0]

    async def get(self, page):
        status, _, body = await self.send(f"GET /stand-in/{page} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert status == 200, body
        return json.loads(body)

    async def control(self, **changes):
        return await self.send(post(json.dumps(changes).encode(), path="/stand-in/control"))

    def close(self):
        for writer in self._writers:
            writer.close()


def with_standin(kind, settings, talk):
    """Run ``talk(talk, standin)`` against a stand-in of a kind on a free port."""

    async def main():
        standin = await kind.start(settings)
        line = Talk(standin.port)
        try:
            return await talk(line, standin)
        finally:
            line.close()
            await standin.stop()

    return run_patiently(main())


async def until(true, tries=1000):
    """Let time pass until it is so."""
    for _ in range(tries):
        if true():
            return
        await asyncio.sleep(1)
    raise AssertionError("it did not come to that")
