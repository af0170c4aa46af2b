"""The real gateway in a thread with its own uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from rig_material import PATIENCE, wait_for

from sluicegate.gateway import Gateway
from sluicegate.settings import Settings, parse


class _ThreadLoop(uvloop.Loop):
    """A loop beside the main thread, where signals cannot be taken."""

    def add_signal_handler(self, *_: Any) -> None:
        """Signals are for the tests of the process."""


class Running:
    """The real gateway, in a thread.

    Attributes:
        gateway: the object itself. Look at it from the test; change it with `call`.
        port, admin_port: where it listens.
        unhandled: what its loop had to report. A test with any of it fails at its end.
    """

    def __init__(self, text: str, base: Path | str = ".") -> None:
        self.text = text
        self._base = base
        self.unhandled: list[str] = []
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._loop = _ThreadLoop()
        self._loop.set_exception_handler(self._report)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure
        self.port = self.gateway.port

    @property
    def desk(self) -> Any:
        return self.gateway.desk

    @property
    def admin_port(self) -> int:
        return self.gateway.admin_port

    def _settings(self) -> Settings:
        return parse(self.text, base=self._base)

    def _report(self, _loop: object, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop.set_exception_handler(self._report)
        self.gateway = Gateway(self._settings(), self._settings)
        await self.gateway.run(self._ready.set)

    def call(self, what: Callable[[], Any]) -> Any:
        """Run something in the gateway's thread."""
        done: list[Any] = []
        event = threading.Event()

        def run() -> None:
            try:
                done.append(what())
            finally:
                event.set()

        self._loop.call_soon_threadsafe(run)
        assert event.wait(PATIENCE)
        return done[0]

    def reload(self, text: str) -> None:
        """As SIGHUP does, with another file."""
        self.text = text
        self.call(self.gateway.reload)
        wait_for(lambda: not self.gateway._reloading)

    def settled(self) -> None:
        """Wait until nothing of any request is left in it."""
        wait_for(lambda: self.gateway.desk.places.taken == 0, "places are still taken")
        wait_for(lambda: self.gateway.desk.buffered == 0, f"{self.gateway.desk.buffered} octets are still held")

    def begin_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self.gateway.stop)

    def stop(self) -> None:
        """Drain and end; raises what the gateway raised."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self.begin_to_stop()
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive(), "the gateway did not stop"
        if self._failure is not None:
            raise self._failure
