"""What a reading came to, in a form that can be compared."""

from sluicegate.duis import Header, HeaderReader, MalformedMessage, quick, read_header

Outcome = Header | MalformedMessage | None


def by_parser(octets: bytes, complete: bool = True) -> Outcome:
    reader = HeaderReader()
    try:
        return reader.feed(octets, complete)
    except MalformedMessage as error:
        return error
    finally:
        reader.close()


def by_either(octets: bytes, complete: bool = True) -> Outcome:
    try:
        return read_header(octets, complete)
    except MalformedMessage as error:
        return error


def same(one: Outcome, other: Outcome) -> bool:
    if isinstance(one, MalformedMessage) and isinstance(other, MalformedMessage):
        return one.args == other.args
    return one == other


def agree(octets: bytes) -> bool:
    """Holds the quick way to the real parser, remembered opening or not; whether it had an answer of its own."""
    expected = by_parser(octets)
    quick.forget()
    for _ in range(2):  # attested, then remembered
        found = quick.read(octets)
        assert found is None or found == expected, (octets, found, expected)
    return found is not None
