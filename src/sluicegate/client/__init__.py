"""A client for a User's own programs: its urgent Service Requests first, at the pace that the gateway bears.

    from sluicegate.client import Client

    with Client("http://127.0.0.1:8079", classes=["top-ups", "reads"]) as gateway:
        acknowledgement = gateway.post(message, priority="top-ups", deadline=30)

Needs the extra `client`: httpx and stamina.
"""

from sluicegate.client.blocking import Client
from sluicegate.client.client import Acknowledgement, AsyncClient
from sluicegate.client.errors import Expired, Refused, SluicegateError, Throttled, Unreachable

__all__ = [
    "Acknowledgement",
    "AsyncClient",
    "Client",
    "Expired",
    "Refused",
    "SluicegateError",
    "Throttled",
    "Unreachable",
]
