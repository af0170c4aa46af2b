"""What the gateway's tests stand on: raw sockets on both sides of it, and nothing between them and the octets."""

from rig_client import Answer, Client, ask, fetch
from rig_material import (
    DEVICE,
    LARGE,
    PATIENCE,
    SMALL,
    STRANGER,
    TINY,
    USERS,
    configuration,
    duis_messages,
    head_of,
    message,
    request,
    wait_for,
)
from rig_process import Process, free_port
from rig_running import Running
from rig_upstream import Heard, Line, Script, ScriptedUpstream, obliging

__all__ = [
    "DEVICE",
    "LARGE",
    "PATIENCE",
    "SMALL",
    "STRANGER",
    "TINY",
    "USERS",
    "Answer",
    "Client",
    "Heard",
    "Line",
    "Process",
    "Running",
    "Script",
    "ScriptedUpstream",
    "ask",
    "configuration",
    "duis_messages",
    "fetch",
    "free_port",
    "head_of",
    "message",
    "obliging",
    "request",
    "wait_for",
]
