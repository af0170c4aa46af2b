"""The process: signals, exits, and a log that may break without a request being lost."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from rig import LARGE, PATIENCE, SMALL, Client, ask, configuration, fetch, message, request, wait_for

USERS = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 900},)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_finish_and_ends_with_0(process, upstream, number) -> None:
    def script(line) -> None:
        while line.request():
            line.upstream.released.wait()
            line.answer()

    upstream.script = script
    running = process(gateway__timeouts={"drain": 2 * PATIENCE})
    body = message(size=50_000)
    half = Client(running.port).send(request(body)[:20_000])
    waiting = Client(running.port).send(request())
    idle = Client(running.port)
    wait_for(lambda: len(upstream.heads) == 2)
    running.kill(number)
    wait_for(lambda: running.events("draining"))
    wait_for(lambda: refuses(running.port), "it takes connections still")
    assert idle.ended() == b""
    half.send(request(body)[20_000:])
    upstream.released.set()
    for client in (waiting, half):
        answer = client.answer()
        assert (answer.status, answer.get("Connection")) == (200, "close")
        assert client.ended() == b""
    assert running.stop() == 0
    assert all(line.startswith("{") for line in running.log), "JSON, line by line, and nothing else"
    assert [len(running.events(event)) for event in ("serving", "draining", "stopped")] == [1, 1, 1]


def refuses(port: int) -> bool:
    """Whether no connection is taken any more: that comes a moment after the line of the log."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        return False  # it was taken into the queue as that was closed
    return False


def test_what_takes_longer_than_the_drain_is_cut_off_and_said(process, upstream) -> None:
    upstream.script = lambda line: line.request() and line.gone()
    running = process(gateway__timeouts={"drain": 0.3})
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        assert running.stop() == 0
        with contextlib.suppress(ConnectionError):
            assert client.ended() == b""
    assert [line["count"] for line in running.events("requests were cut off: they took longer than the drain")] == [1]


def test_under_load_no_request_is_lost_by_the_end_of_the_gateway(process, upstream) -> None:
    """Each sender gets an answer to everything it sent, until it is told that the connection closes."""
    running = process(users=USERS, capacity={"burst_seconds": 20})
    lost: list[str] = []
    answered = [0]

    def sender(number: int) -> None:
        with Client(running.port) as client:
            for counter in range(100_000):
                try:
                    answer = client.send(request(message(counter=counter))).answer()
                except (OSError, AssertionError) as error:
                    lost.append(f"{number}: request {counter}: {error!r}")
                    return
                assert answer.status == 200
                answered[0] += 1
                if answer.get("Connection") == "close":
                    return

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: answered[0] > 300)
    running.kill(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert running.stop() == 0
    assert lost == []
    assert len(upstream.requests) == answered[0]


def test_sighup_rereads_the_file_and_an_invalid_one_changes_nothing(process, upstream) -> None:
    users = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 300},)
    text = configuration(upstream.url, users=users)
    running = process(text)
    running.write(text.replace("allocation = 300", "allocation = 123"))
    running.kill(signal.SIGHUP)
    wait_for(lambda: running.status()["users"][0]["allocation"] == 123)
    running.write(text.replace("allocation = 300", "allocation = -3"))
    running.kill(signal.SIGHUP)
    why = wait_for(lambda: running.status()["last_reload_error"])
    assert "allocation" in why
    refused = wait_for(lambda: running.events("reload refused: nothing has changed"))
    assert (refused[0]["level"], refused[0]["why"]) == ("error", why)
    assert running.status()["users"][0]["allocation"] == 123
    assert ask(running.port).status == 200
    running.config.unlink()
    running.kill(signal.SIGHUP)
    wait_for(lambda: "no such file" in running.status()["last_reload_error"])
    assert ask(running.port).status == 200
    running.write(text)
    running.kill(signal.SIGHUP)
    wait_for(lambda: running.status()["last_reload_error"] is None)


def busy(running, config_text: str) -> None:
    """Let it write a lot of log, at the gateway and at the operator's listener, and serve."""
    wrong = (
        "nonsense = 1\n" * 1
        + config_text.replace("allocation", "alocation")
        + "".join(f"[nonsense_{n}]\n" for n in range(80))
    )
    running.write(wrong)
    for number in range(40):
        running.kill(signal.SIGHUP)
        with Client(running.admin_port) as client:
            client.send(b"\x00nonsense\r\n\r\n").ended()
        assert ask(running.port, request(message(counter=number))).status == 200
    assert fetch(running.admin_port, "/healthz").status == 200


@pytest.mark.parametrize("log", ["full", "closed", "never read"])
def test_a_broken_log_stops_no_request(process, upstream, log) -> None:
    text = configuration(upstream.url, users=USERS)
    with contextlib.ExitStack() as stack:
        if log == "full":
            stderr = stack.enter_context(open("/dev/full", "wb"))
        else:
            read, stderr = os.pipe()
            os.set_blocking(stderr, False)
            with contextlib.suppress(BlockingIOError):
                while log == "never read":
                    os.write(stderr, b"x" * 65_536)
            os.set_blocking(stderr, True)
            if log == "closed":
                os.close(read)
            else:
                stack.callback(os.close, read)
        running = process(text, stderr=stderr)
        if log != "full":
            os.close(stderr)
        busy(running, text)
        if log != "never read":
            wait_for(
                lambda: b"sluicegate_log_lines_dropped_total 0.0" not in fetch(running.admin_port, "/metrics").body
            )
        assert running.stop() == 0


def serve(config, **environment):
    code = "from sluicegate.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("which", ["gateway", "admin"])
def test_a_port_that_is_in_use_is_a_clear_error(tmp_path, upstream, which) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = configuration(upstream.url, users=USERS)
        if which == "gateway":
            text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
        else:
            text += f'[admin]\nlisten = "127.0.0.1:{port}"\n'
        config = tmp_path / "gateway.toml"
        config.write_text(text)
        done = serve(config)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_process_keeps_little_of_16_mb_messages(process, upstream) -> None:
    users = (*USERS, {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 50})
    running = process(users=users)

    def resident() -> int:
        with open(f"/proc/{running.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    assert ask(running.port).status == 200
    before = resident()
    upstream.script = _take_in
    octets = request(message(srv="11.1", size=16_000_000))
    for _ in range(3):
        with Client(running.port) as large:
            large.send(octets[:5_000_000])
            assert ask(running.port, request(message(SMALL))).status == 200, "others are served meanwhile"
            assert large.send(octets[5_000_000:]).answer().status == 200
    assert resident() - before < 8_000, "kB"


def _take_in(line) -> None:
    while heard := line.head():
        left = int(heard.all("Content-Length")[0])
        while left:
            left -= len(line._exactly(min(left, 65_536)))
        line.answer()
