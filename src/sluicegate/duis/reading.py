"""Reading a message's `Header`: the quick way where it applies, the real parser everywhere else."""

from . import quick
from .expat import HeaderReader
from .header import Header


def read_header(body: bytes | bytearray | memoryview, complete: bool) -> Header | None:
    """The `Header` of a Service Request, once `body` holds all of it; None if more octets are needed.

    `body` is the message from its first octet on, `complete` says that nothing comes after it. Nothing after
    `Header`, and nothing beyond MAX_HEADER_OCTETS, is looked at.

    For a message that comes in many pieces a `HeaderReader` does not start again with each of them.

    Raises MalformedMessage, which says what is wrong and where, if `body` cannot be, or start, a Service
    Request.
    """
    header = quick.read(body)
    if header is not None:
        return header
    reader = HeaderReader()
    header = reader.feed(body, complete)
    reader.close()
    return header
