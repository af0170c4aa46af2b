"""The message: its `Header`, its DUIS version, the catalogue of Service Requests, answers."""

from .catalogue import CATALOGUE, ServiceRequestVariant, WebService, web_service
from .compose import TOP_UP_OCTETS, compose_request, compose_response
from .devices import LISTS_DEVICES, device_list
from .expat import HeaderReader
from .header import MAX_HEADER_OCTETS, Header, MalformedMessage, normal_eui64
from .keys import header_key, key_text, lane_of, request_key
from .reading import read_header
from .response import ResponseHeader, read_response
from .version import parse_version
from .whole import LARGE_OCTETS, check_whole, text_at

__all__ = [
    "CATALOGUE",
    "LARGE_OCTETS",
    "LISTS_DEVICES",
    "MAX_HEADER_OCTETS",
    "TOP_UP_OCTETS",
    "Header",
    "HeaderReader",
    "MalformedMessage",
    "ResponseHeader",
    "ServiceRequestVariant",
    "WebService",
    "check_whole",
    "compose_request",
    "compose_response",
    "device_list",
    "header_key",
    "key_text",
    "lane_of",
    "normal_eui64",
    "parse_version",
    "read_header",
    "read_response",
    "request_key",
    "text_at",
    "web_service",
]
