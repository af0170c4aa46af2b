"""A socket to listen on."""

from __future__ import annotations

import errno
import socket

BACKLOG = 1024


def listen(key: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, whose text names the key of the configuration and the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, address = next((f for f in found if f[0] == family), found[0])
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        advice = ". Stop what uses it, or choose another port" if error.errno == errno.EADDRINUSE else ""
        raise OSError(f"{key}: cannot listen on {host}:{port}: {why}{advice}") from None
    return listening
