"""The message: its `Header`, its DUIS version, the catalogue of Service Requests, answers."""

from .catalogue import CATALOGUE, ServiceRequestVariant, WebService, web_service
from .compose import TOP_UP_OCTETS, compose_request, compose_response
from .expat import HeaderReader
from .header import MAX_HEADER_OCTETS, Header, MalformedMessage, normal_eui64
from .reading import read_header
from .version import parse_version

__all__ = [
    "CATALOGUE",
    "MAX_HEADER_OCTETS",
    "TOP_UP_OCTETS",
    "Header",
    "HeaderReader",
    "MalformedMessage",
    "ServiceRequestVariant",
    "WebService",
    "compose_request",
    "compose_response",
    "normal_eui64",
    "parse_version",
    "read_header",
    "web_service",
]
