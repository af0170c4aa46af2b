"""Hypothesis strategies: legal messages in many layouts, and what damage does to them."""

from dataclasses import dataclass

from hypothesis import strategies as st

from sluicegate.duis.header import NAMESPACE

eui64s = st.binary(min_size=8, max_size=8).flatmap(
    lambda octets: st.sampled_from([octets.hex("-"), octets.hex("-").upper(), octets.hex("-").title()])
)
counters = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1]))
request_ids = st.builds("{}:{}:{}".format, eui64s, eui64s, counters)
numbers = st.integers(1, 99).map(str)
versions = st.sampled_from(["5.4", "4.1", "4.10", "04.1", "+5.1", "1", "3.", ".5", " 5.4 ", "10.0"])
prefixes = st.sampled_from(["sr", "sr", "", "S", "_x", "a.b-c", "Header", "xm", "sr1", "É"])
spaces = st.text(" \t\r\n", max_size=5)
comments = st.sampled_from(["", "", "", "<!-- a > b -->", "<!--<sr:Header>-->", "<?pi x?>", "<!-- Header> -->"])


@dataclass(frozen=True)
class Told:
    """A message, and what it says."""

    text: str
    version: str
    request_id: str
    command_variant: int
    srv: str
    preceding: str | None
    first_in_sequence: bool | None


@st.composite
def plain_messages(draw) -> Told:
    """The usual layout with its freedoms: prefix, declaration, white space between elements, optional parts."""
    prefix = draw(prefixes.filter(str.isascii))
    return _message(draw, prefix, st.just(""), st.just(""), text=st.just(None))


@st.composite
def messages(draw) -> Told:
    """Anything legal: comments, instructions, CDATA, character references, white space inside tags."""
    return _message(draw, draw(prefixes), comments, spaces, text=st.sampled_from([None, "cdata", "reference", "cut"]))


def _message(draw, prefix, between, in_tag, text) -> Told:
    p = f"{prefix}:" if prefix else ""

    def gap():
        return draw(spaces) + draw(between) + draw(spaces)

    def element(name, value):
        return f"<{p}{name}{draw(in_tag)}>{_written(draw(text), value)}</{p}{name}{draw(in_tag)}>{gap()}"

    version, identity = draw(versions), draw(request_ids)
    first, preceding = draw(st.sampled_from([None, True, False])), draw(st.none() | request_ids)
    variant, srv = draw(st.integers(1, 8)), ".".join(draw(st.lists(numbers, min_size=2, max_size=3)))
    quote = draw(st.sampled_from("\"'"))
    attributes = [
        f"xmlns{':' if prefix else ''}{prefix}={quote}{NAMESPACE}{quote}",
        f"schemaVersion={quote}{version}{quote}",
        *draw(
            st.lists(
                st.sampled_from(
                    ['xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', 'note="a > b"', "other=''", "xml:lang='en'"]
                ),
                unique=True,
            )
        ),
    ]
    start = draw(
        st.sampled_from(
            [
                "",
                '<?xml version="1.0"?>',
                '<?xml version="1.0" encoding="UTF-8"?>\n',
                "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
            ]
        )
    )
    tag = f"<{p}Request {' '.join(draw(st.permutations(attributes)))}{draw(in_tag)}>"
    header = f"<{p}Header{draw(in_tag)}>" + gap() + element("RequestID", identity)
    if first is not None:
        header += element("FirstInSequence", "true" if first else "false")
    if preceding is not None:
        header += element("PrecedingServiceRequestID", preceding)
    header += element("CommandVariant", str(variant))
    header += element("ServiceReference", ".".join(srv.split(".")[:2]))
    header += element("ServiceReferenceVariant", srv) + f"</{p}Header{draw(in_tag)}>"
    rest = draw(st.sampled_from(["", f"<{p}Body/></{p}Request>", "<not well-formed", "&nothing;"]))
    opening = start + gap() + tag + gap()
    return Told(opening + header + rest, version.strip(), identity, variant, srv, preceding, first)


def _written(how: str | None, value: str) -> str:
    middle = len(value) // 2
    if how == "cdata":
        return f"<![CDATA[{value[:middle]}]]>{value[middle:]}"
    if how == "reference":
        return "".join(f"&#{ord(character)};" for character in value[:middle]) + value[middle:]
    if how == "cut":
        return f"{value[:middle]}<!-- cut --><?cut?>{value[middle:]}"
    return value
