"""The devices that a firmware message names: it is addressed to the DSP, and goes to many."""

import re

from .header import EUI64, MalformedMessage
from .whole import text_at

LISTS_DEVICES = frozenset(("11.1", "11.4"))
"""SRVs whose message has a DeviceIDList: Update Firmware, and the same for PPMIDs (11.4)."""

MAX_DEVICES = 50_000
MAX_LIST_CHARACTERS = 1_199_999
"""Of a DeviceIDList (schema DUIS 5.4): 50,000 EUI-64 of 23 characters, and the commas between them."""

_LIST = re.compile(f"(?:{EUI64},)*+{EUI64}")
_ONE = re.compile(EUI64)
_PATH = tuple(
    frozenset(names)
    for names in (("Request",), ("Body",), ("UpdateFirmware", "UpdatePPMIDFirmware"), ("DeviceIDList",))
)


def device_list(body: bytes) -> list[str]:
    """The EUI-64 of the devices in a firmware message, in upper case, in its order, each once.

    The whole message is checked, as by `check_whole`. The image is passed over, and not kept.

    Raises MalformedMessage if the message is not well-formed, or has no DeviceIDList of the schema's form.
    """
    text = text_at(body, _PATH, MAX_LIST_CHARACTERS)
    if text is None:
        raise MalformedMessage("the message has no DeviceIDList in UpdateFirmware or UpdatePPMIDFirmware")
    if _LIST.fullmatch(text) is None:
        raise MalformedMessage(_complaint(text))
    return list(dict.fromkeys(text.upper().split(",")))


def _complaint(text: str) -> str:
    for place, stated in enumerate(text.split(","), 1):
        if _ONE.fullmatch(stated) is None:
            return f"DeviceIDList: {stated[:24]!a}, number {place}, is not 8 hexadecimal octets joined by '-'"
    return "DeviceIDList cannot be read"
