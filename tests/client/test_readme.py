"""The example of the README, as it stands there, against a gateway and a stand-in as the README starts them."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.processes import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gateway(tmp_path):
    """The port of a gateway with the configuration of `sluicegate init`, before a stand-in DSP."""
    ports = free_port(), free_port(), free_port()
    from sluicegate.settings import starter

    text = starter()
    for usual, port in zip(("8079", "8080", "8090"), ports, strict=True):
        text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}")
    config = tmp_path / "sluicegate.toml"
    config.write_text(text)
    commands = (
        ("stand-in", "dsp", "--listen", f"127.0.0.1:{ports[1]}"),
        ("serve", "--config", str(config)),
    )
    with contextlib.ExitStack() as stack:
        for words in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "sluicegate", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
        for port in ports[:2]:
            until = time.monotonic() + 60
            while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
                time.sleep(0.02)
        yield ports[0]


def test_the_example_runs_as_it_stands_and_is_ten_lines(gateway):
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    code = block.replace("127.0.0.1:8079", f"127.0.0.1:{gateway}")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "I99 90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1\n"
