"""A socket to listen on: bound here, or handed down by the process that started this one."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

BACKLOG = 1024

HANDED_DOWN: Final = "SLUICEGATE_SOCKETS"
"""The variable of the environment: `key=descriptor` for each socket, with commas between."""


def listen(key: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, whose text names the key of the configuration and the address."""
    descriptor = handed_down().get(key)
    if descriptor is not None:
        listening = socket.socket(fileno=os.dup(descriptor))
        listening.setblocking(False)
        return listening
    return bind(key, host, port)


def bind(key: str, host: str, port: int, *, shared: bool = False) -> socket.socket:
    """As `listen`, by ourselves. `shared`: others may bind to the same address, and the kernel spreads over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, address = next((f for f in found if f[0] == family), found[0])
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        advice = ". Stop what uses it, or choose another port" if error.errno == errno.EADDRINUSE else ""
        raise OSError(f"{key}: cannot listen on {host}:{port}: {why}{advice}") from None
    return listening


def handed_down() -> Mapping[str, int]:
    """The descriptors that the process which started this one has left open, by key of the configuration."""
    entries = (entry.partition("=") for entry in os.environ.get(HANDED_DOWN, "").split(",") if entry)
    return {key: int(descriptor) for key, _, descriptor in entries}
