"""The log: lines are written beside the caller, and what cannot be written is counted and stops nobody."""

import io
import json
import logging
import os
import threading

import pytest
import structlog

from sluicegate import log as logs
from sluicegate.log import Log, logger


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    yield
    structlog.reset_defaults()
    ours = logging.getLogger("sluicegate")
    ours.handlers.clear()
    ours.propagate = True


class Stream(io.StringIO):
    """Keeps what was written after it was closed, too."""

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


class Stuck(io.StringIO):
    """A reader that does not read, until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()
        self.waits = threading.Event()

    def write(self, text: str) -> int:
        self.waits.set()
        self.reads.wait(60)
        return super().write(text)

    def fileno(self) -> int:
        raise OSError


class Broken(io.StringIO):
    """A full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_line_is_json_with_its_event_its_level_and_its_time() -> None:
    stream = Stream()
    log = Log(stream)
    logger().warning("something", number=1, text="with\nline end")
    log.close()
    (line,) = stream.lines()
    assert (line["event"], line["number"], line["level"], line["text"]) == ("something", 1, "warning", "with\nline end")
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_text() -> None:
    stream = Stream()
    log = Log(stream, json_lines=False)
    logger().info("something", number=1)
    log.close()
    assert "something" in stream.getvalue()
    assert "number" in stream.getvalue()


def test_what_a_library_says_becomes_a_line_of_the_same_form() -> None:
    stream = Stream()
    log = Log(stream)
    try:
        int("why")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it %s", "broke")
    logging.getLogger("asyncio").info("chatter")
    log.close()
    (line,) = stream.lines()
    assert (line["event"], line["logger"], line["level"]) == ("it broke", "uvicorn.error", "error")
    assert "ValueError: invalid" in line["exception"]


def test_a_closed_log_leaves_the_root_logger_as_it_was() -> None:
    before = list(logging.getLogger().handlers)
    Log(Stream()).close()
    assert logging.getLogger().handlers == before


def test_a_full_disk_costs_lines_that_are_counted() -> None:
    log = Log(Broken(), json_lines=True)
    for _ in range(5):
        logger().info("something")
    log.close()
    assert log.handler.dropped == 5


def test_a_reader_that_does_not_read_costs_lines_beyond_the_queue_and_no_time(monkeypatch) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 10)
    stream = Stuck()
    log = Log(stream, json_lines=True)
    logger().info("first")
    assert stream.waits.wait(60)
    for _ in range(30):
        logger().info("something")
    assert log.handler.dropped == 20
    stream.reads.set()
    log.close()
    assert len(stream.getvalue().splitlines()) == 11


def test_the_end_does_not_wait_for_a_reader_that_does_not_read(monkeypatch) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 3)
    stream = Stuck()
    log = Log(stream, json_lines=True)
    for _ in range(10):
        logger().info("something")
    assert stream.waits.wait(60)
    log.close(patience=0.05)
    assert log._thread.is_alive()
    stream.reads.set()


def test_a_reader_that_has_gone_costs_lines_only() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", closefd=True) as stream:
        log = Log(stream, json_lines=True)
        logger().info("something")
        log.close()
        assert log.handler.dropped == 1
        with pytest.raises(BrokenPipeError):
            stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
