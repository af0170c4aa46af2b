"""What is started ends, whatever happens."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from sluicegate.simulate.demo.processes import Children, DidNotStartError, free_ports

SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(600)",
]
DEMO = [sys.executable, "-c", "from sluicegate.cli import main; main()", "demo", "--no-live", "--seconds", "8"]

OUTAGE = [*DEMO[:4], "csp-outage", "--no-live"]


def wait_until(done, seconds=60.0):
    """Poll for what another process does; fail the test if it never does."""
    limit = time.monotonic() + seconds
    while not (value := done()):
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.02)
    return value


def carrying(mark):
    """Process ids of all that run with this mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wrote(folder, name):
    return (folder / f"{name}.log").read_bytes()


def test_leaving_the_block_ends_every_child(tmp_path):
    with Children(tmp_path) as children:
        for name in "ab":
            children.start(name, SLEEPER)
        pids = [child.pid for _, child, _ in children._running]
        children.check()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_error_in_the_block_ends_every_child(tmp_path):
    started = []

    def broken():
        with Children(tmp_path) as children:
            children.start("a", SLEEPER)
            started.append(children._running[0][1].pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    (pid,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_ignores_the_request_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("sluicegate.simulate.demo.processes._STOP_SECONDS", 0.1)
    with Children(tmp_path) as children:
        children.start("a", STUBBORN)
        wait_until(lambda: wrote(tmp_path, "a"))
        child = children._running[0][1]
    assert child.returncode == -signal.SIGKILL


def test_a_child_that_ended_is_told_with_its_last_words(tmp_path):
    with Children(tmp_path) as children:
        children.start("gateway", [sys.executable, "-c", "print('the port is taken'); raise SystemExit(3)"])
        children._running[0][1].wait()
        with pytest.raises(DidNotStartError, match="the gateway ended with code 3:\nthe port is taken"):
            children.check()


def test_children_get_signals_that_we_hold_back_while_we_start_them(tmp_path):
    with Children(tmp_path) as children:
        children.start("a", SLEEPER)
        wait_until(lambda: wrote(tmp_path, "a"))
        child = children._running[0][1]
        child.send_signal(signal.SIGINT)
        child.wait(60)
    assert child.returncode != 0
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}


def test_free_ports_are_different_ports():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(0 < port < 65536 for port in ports)


@pytest.fixture
def demo(tmp_path, request):
    mark = f"SLUICEGATE_TEST={uuid.uuid4()}"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = os.environ | dict([mark.split("=")]) | {"TMPDIR": str(temporary)}
    log = (tmp_path / "demo.log").open("wb")
    process = subprocess.Popen(getattr(request, "param", DEMO), cwd=tmp_path, env=environment, stdout=log, stderr=log)
    process.mark = mark
    process.said = lambda: (tmp_path / "demo.log").read_text(encoding="utf-8")
    yield process
    log.close()
    for pid in carrying(mark):
        os.kill(pid, signal.SIGKILL)
    process.wait()


pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def test_ctrl_c_in_mid_run_leaves_nothing_running(demo):
    wait_until(lambda: "  0.0 s  quiet" in demo.said())
    assert len(carrying(demo.mark)) == 3
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 130
    assert carrying(demo.mark) == []
    assert "Nothing is left running" in demo.said()
    assert "Traceback" not in demo.said()


@pytest.mark.parametrize("demo", [OUTAGE], indirect=True, ids=["csp-outage"])
def test_ctrl_c_in_an_outage_leaves_nothing_running_and_no_file(demo, tmp_path):
    wait_until(lambda: "  0.0 s  north" in demo.said())
    assert len(carrying(demo.mark)) == 6
    assert list((tmp_path / "temporary").iterdir())
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 130
    assert carrying(demo.mark) == []
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "Nothing is left running" in demo.said()
    assert "Traceback" not in demo.said()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_processes_start_leaves_nothing_running(demo, ending):
    wait_until(lambda: len(carrying(demo.mark)) > 1)
    demo.send_signal(ending)
    assert demo.wait(60) == 130
    assert carrying(demo.mark) == []


def test_ctrl_c_twice_leaves_nothing_running(demo):
    wait_until(lambda: len(carrying(demo.mark)) == 3)
    demo.send_signal(signal.SIGINT)
    demo.send_signal(signal.SIGINT)
    demo.wait(60)
    assert carrying(demo.mark) == []


def test_ctrl_c_before_anything_has_started_leaves_nothing_running(demo):
    demo.send_signal(signal.SIGINT)
    demo.wait(60)
    assert carrying(demo.mark) == []


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_killing_the_demonstration_outright_ends_its_children(demo):
    wait_until(lambda: len(carrying(demo.mark)) == 3)
    demo.kill()
    demo.wait()
    wait_until(lambda: carrying(demo.mark) == [])
