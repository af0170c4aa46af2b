import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.processes import (
    TICKS,
    BenchError,
    Server,
    busy_seconds_from,
    cpu_seconds_from,
    cpu_seconds_of,
    descendants,
    free_port,
    tree,
)

from bench import processes

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import socket, subprocess, sys, time
if len(sys.argv) > 2:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn])
    print(child.pid, flush=True)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    time.sleep(60)
"""


def server(tmp_path: Path, *extra: str) -> Server:
    port = free_port()
    return Server("a server", [sys.executable, "-c", SERVER, str(port), *extra], port, tmp_path / "log")


def stat_line(name: str, parent: int = 1, ticks: tuple[int, int, int, int] = (0, 0, 0, 0)) -> str:
    return f"42 ({name}) S {parent} 42 42 0 -1 0 0 0 0 0 {' '.join(map(str, ticks))} 20 0 1 0 0 0 0"


def test_a_port_that_was_given_is_given_to_nobody_else_in_this_process_or_another(monkeypatch):
    few = range(21_000, 21_003)
    monkeypatch.setattr(processes, "PORTS", few)
    given = []

    def take_all() -> None:
        while True:
            given.append(free_port())

    with pytest.raises(BenchError, match="no free port"):
        take_all()
    assert len(given) == len(set(given)) <= len(few)
    code = (
        f"from bench import processes\nprocesses.PORTS = range({few.start}, {few.stop})\nprint(processes.free_port())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "no free port" in other.stderr, other.stdout


def test_cpu_time_counts_ended_children_too():
    assert cpu_seconds_from(stat_line("nginx", ticks=(1, 20, 300, 4000))) == 4321 / TICKS


@pytest.mark.parametrize("name", ["a b", "x) R 7 (y", "((", "9 9 9"])
def test_a_process_name_may_hold_anything(name):
    assert cpu_seconds_from(stat_line(name, ticks=(5, 0, 0, 0))) == 5 / TICKS


def test_a_process_that_is_gone_has_used_nothing():
    assert cpu_seconds_of(2**22 + 1) == 0.0


def test_descendants_are_found_at_any_depth_and_nobody_else():
    assert sorted(descendants(1, [(2, 1), (3, 2), (4, 9), (9, 8), (5, 3)])) == [1, 2, 3, 5]


def test_busy_time_leaves_out_idle_and_waiting():
    assert busy_seconds_from("cpu  100 10 50 99999 77777 4 6 0 0 0") == 170 / TICKS


def test_a_server_runs_until_its_context_ends_and_leaves_its_port_free(tmp_path):
    running = server(tmp_path)
    with running:
        pid = running.pid
        assert pid in tree(os.getpid())
        assert running.cpu_seconds() >= 0
    assert not Path(f"/proc/{pid}").exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", running.port))


def test_a_child_that_ignores_the_signal_is_not_left_behind(tmp_path):
    with server(tmp_path, "with a child") as running:
        child = int(running.log.read_text())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and alive(child):
        time.sleep(0.01)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_server_is_stopped_when_the_work_inside_fails(tmp_path):
    pids = []

    def work():
        with server(tmp_path) as running:
            pids.append(running.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_server_that_ends_at_once_says_why(tmp_path):
    command = [sys.executable, "-c", "import sys; print('line 3: no such key'); sys.exit(1)"]
    broken = Server("haproxy", command, free_port(), tmp_path / "log")
    with pytest.raises(BenchError, match=r"haproxy stopped at once \(exit 1\):\nline 3: no such key"), broken:
        pytest.fail("it must not be entered")


def test_a_program_that_is_not_installed_is_named(tmp_path):
    made = Server("the system behind", ["no-such-program", "-v"], free_port(), tmp_path / "log")
    with pytest.raises(BenchError, match="the system behind needs the program no-such-program, which is not installed"):
        made.__enter__()
