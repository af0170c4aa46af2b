"""What a Header must be, and how a message is told what is wrong with it."""

from decimal import Decimal

import pytest
from hypothesis import given

from sluicegate.duis import Header, HeaderReader, MalformedMessage, compose_request, normal_eui64, read_header
from sluicegate.duis.header import NAMESPACE

from .layouts import Told, eui64s, messages, plain_messages
from .reading import by_parser

ORIGINATOR, TARGET = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"
ID = f"{ORIGINATOR}:{TARGET}:7"
PARTS = {
    "RequestID": ID,
    "FirstInSequence": None,
    "PrecedingServiceRequestID": None,
    "CommandVariant": "1",
    "ServiceReference": "4.1",
    "ServiceReferenceVariant": "4.1.1",
}


def message(version: str | None = "5.4", root: str = "Request", order: list[str] | None = None, **parts) -> bytes:
    stated = PARTS | parts
    elements = "".join(
        f"<sr:{name}>{stated[name]}</sr:{name}>\n" for name in order or stated if stated[name] is not None
    )
    attribute = "" if version is None else f' schemaVersion="{version}"'
    return f'<sr:{root} xmlns:sr="{NAMESPACE}"{attribute}>\n<sr:Header>\n{elements}</sr:Header>\n</sr:{root}>'.encode()


def read(octets: bytes) -> Header:
    header = read_header(octets, complete=True)
    assert header is not None
    return header


def refusal(octets: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        read_header(octets, complete=True)
    assert isinstance(by_parser(octets), MalformedMessage)
    assert str(caught.value).isascii()
    return caught.value


def says(header: Header, told: Told) -> bool:
    originator, target, counter = told.request_id.upper().split(":")
    return header == Header(
        version=Decimal(told.version),
        request_id=told.request_id,
        originator=originator,
        target=target,
        counter=int(counter),
        command_variant=told.command_variant,
        service_reference=".".join(told.srv.split(".")[:2]),
        srv=told.srv,
        preceding=told.preceding,
        first_in_sequence=told.first_in_sequence,
    )


@given(plain_messages())
def test_a_message_in_the_usual_layout_is_read_as_it_says(told):
    assert says(read(told.text.encode()), told)


@given(messages())
def test_a_message_in_any_legal_layout_is_read_as_it_says(told):
    assert says(read(told.text.encode()), told)


@given(messages())
def test_a_message_in_utf_16_is_read_as_it_says(told):
    text = told.text.replace('encoding="UTF-8"', "").replace("encoding='utf-8'", "")
    assert says(read(text.encode("utf-16")), told)


@given(messages())
def test_a_message_behind_a_byte_order_mark_is_read_as_it_says(told):
    assert says(read(told.text.encode("utf-8-sig")), told)


@pytest.mark.parametrize(
    ("stated", "number"), [("4.10", "4.1"), ("+04.1", "4.1"), (" 5.4\n", "5.4"), ("&#52;.1", "4.1")]
)
def test_the_version_is_a_decimal_number(stated, number):
    assert read(message(version=stated)).version == Decimal(number)


@pytest.mark.parametrize("stated", ["", "5,4", "5.4.1", "4e1", "-5.4", "0", "NaN", "9" * 40])
def test_a_version_that_is_no_number_above_zero_is_refused(stated):
    assert refusal(message(version=stated)).reason.startswith("schemaVersion: ")


def test_a_message_without_a_version_is_refused():
    assert str(refusal(message(version=None))) == "Request has no attribute schemaVersion (line 1, column 1)"
    other = message(version=None).replace(b"xmlns:sr", b'sr:schemaVersion="5.4" xmlns:sr')
    assert refusal(other).reason == "Request has no attribute schemaVersion"


@pytest.mark.parametrize("stated", ["90-b3-d5-1f-30-01-00-00:00-db-12-34-56-78-90-a0:0", f" \t\n{ID}\r\n "])
def test_case_and_space_around_a_request_id_do_not_matter(stated):
    header = read(message(RequestID=stated))
    assert (header.originator, header.target) == (ORIGINATOR, TARGET)
    assert header.request_id == stated.strip()


@pytest.mark.parametrize(
    "stated",
    [
        *("", ORIGINATOR, f"{ORIGINATOR}:{TARGET}", f"{ORIGINATOR}:{TARGET}:", f"{ID}:1", f"{ORIGINATOR} :{TARGET}:7"),
        *(f"{ORIGINATOR}:{TARGET}:-1", f"{ORIGINATOR}:{TARGET}:07", f"{ORIGINATOR}:{TARGET}:{2**64}"),
        *(f"{ORIGINATOR}:{TARGET}:{10**20}", f"{ORIGINATOR}:{TARGET}:+7", f"{ORIGINATOR[:-1]}G:{TARGET}:7"),
        *(
            ID.replace("-", ""),
            ID.replace("-", ":"),
            f"{ID}\u00a0",
            ID.replace("7", "\u0667"),
            f"{ORIGINATOR}-00:{TARGET}:7",
        ),
    ],
)
@pytest.mark.parametrize("name", ["RequestID", "PrecedingServiceRequestID"])
def test_a_request_id_of_another_form_is_refused(name, stated):
    error = refusal(message(**{name: stated}))
    assert error.reason.startswith(f"{name}: ")
    assert error.line >= 3


@pytest.mark.parametrize("counter", [0, 1, 2**63, 2**64 - 1])
def test_a_counter_has_64_bits(counter):
    assert read(message(RequestID=f"{ORIGINATOR}:{TARGET}:{counter}")).counter == counter


@pytest.mark.parametrize(
    ("stated", "meant"), [("true", True), ("1", True), ("false", False), ("0", False), (" true\n", True)]
)
def test_first_in_sequence_is_an_xml_boolean(stated, meant):
    assert read(message(FirstInSequence=stated)).first_in_sequence is meant


@pytest.mark.parametrize("stated", ["True", "yes", "", "01", "t rue"])
def test_first_in_sequence_is_nothing_else(stated):
    assert refusal(message(FirstInSequence=stated)).reason.endswith("is not true or false")


def test_what_may_be_left_out_is_none():
    header = read(message())
    assert header.first_in_sequence is None
    assert header.preceding is None


@pytest.mark.parametrize(("stated", "meant"), [("1", 1), ("8", 8), ("+2", 2), ("003", 3), ("\n4 ", 4)])
def test_a_command_variant_is_a_number_from_1_to_8(stated, meant):
    assert read(message(CommandVariant=stated)).command_variant == meant


@pytest.mark.parametrize("stated", ["0", "9", "10", "-1", "1.0", "", "one", "1 2"])
def test_another_command_variant_is_refused(stated):
    assert refusal(message(CommandVariant=stated)).reason.endswith("is not a Command Variant, 1 to 8")


@pytest.mark.parametrize(
    "stated", ["", "2", "2.", " 2.2", "2.2 ", "2.02", "02.2", "2.2.", "a.b", "2.2.2.2", "2,2", "1234.1"]
)
def test_a_service_reference_variant_of_another_form_is_refused(stated):
    assert "is not a Service Reference Variant" in refusal(message(ServiceReferenceVariant=stated)).reason


@pytest.mark.parametrize("stated", ["", "2", " 2.2", "2.2\n", "2.2.1"])
def test_a_service_reference_of_another_form_is_refused(stated):
    assert "is not a Service Reference, such as 2.2" in refusal(message(ServiceReference=stated)).reason


def test_a_variant_that_the_catalogue_does_not_know_is_read():
    assert read(message(ServiceReferenceVariant="99.7.3")).srv == "99.7.3"


@pytest.mark.parametrize("name", ["RequestID", "CommandVariant", "ServiceReference", "ServiceReferenceVariant"])
def test_what_is_missing_is_named(name):
    assert refusal(message(**{name: None})).reason.startswith(f"Header lacks {name}")


@pytest.mark.parametrize("name", PARTS)
def test_a_second_of_the_same_is_refused(name):
    octets = message(FirstInSequence="true", PrecedingServiceRequestID=ID)
    start, end = octets.index(b"<sr:%b>" % name.encode()), octets.index(b"</sr:%b>" % name.encode())
    again = octets[start : end + len(name) + 6]
    error = refusal(octets[: end + len(name) + 6] + again + octets[end + len(name) + 6 :])
    assert error.reason == f"a second {name} in Header"
    late = octets.replace(b"</sr:Header>", again + b"</sr:Header>")
    assert refusal(late).reason == f"a second {name} in Header"


def test_elements_stand_in_the_order_of_the_schema():
    order = ["RequestID", "PrecedingServiceRequestID", "FirstInSequence", "CommandVariant"]
    swapped = message(FirstInSequence="true", PrecedingServiceRequestID=ID, order=order)
    reason = "FirstInSequence after PrecedingServiceRequestID, which it must precede"
    assert refusal(swapped).reason == reason
    early = message(order=["CommandVariant", "RequestID", "ServiceReference", "ServiceReferenceVariant"])
    assert str(refusal(early)) == "Header lacks RequestID before CommandVariant (line 3, column 1)"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "<sr:CommandVariant>1<",
            "<sr:CommandVariant><sr:RequestID/>1<",
            "'RequestID' inside CommandVariant, where only",
        ),
        ("<sr:CommandVariant>", "<sr:Other/><sr:CommandVariant>", "'Other' is not an element of Header"),
        ("<sr:CommandVariant>", "<x xmlns='y'/><sr:CommandVariant>", "'x' is not an element of Header"),
        ("<sr:CommandVariant>", "loose<sr:CommandVariant>", "text in Header, where only elements may stand"),
        ("<sr:Header>", "loose<sr:Header>", "text in Request, where only elements may stand"),
        ("<sr:Header>", "\u00a0<sr:Header>", "text in Request, where only elements may stand"),
        ("<sr:Header>", "<sr:Body/><sr:Header>", "'Body' stands where Header must stand"),
        ("<sr:Header>", "<sr:Header><sr:Header>", "'Header' is not an element of Header"),
        ("<sr:Header>", "<sr:Header/><sr:Header>", "Header lacks RequestID"),
        ("<sr:Header>", "<Header xmlns=''>", "'Header' stands where Header must stand"),
        ("<sr:Header>", "</sr:Request>", "Request has no Header"),
        ("sr:Header", "xx:Header", "not well-formed XML: unbound prefix"),
        ("1</sr:CommandVariant>", "1</sr:Other>", "not well-formed XML: mismatched tag"),
        ("4.1.1", "4.1&nbsp;1", "not well-formed XML: undefined entity"),
        ("4.1.1", "4.1\01", "not well-formed XML: not well-formed (invalid token)"),
        ("4.1.1", "4.1&#0;1", "not well-formed XML: reference to invalid character number"),
        ("<sr:Header>", "<!-- a -- b --><sr:Header>", "not well-formed XML: not well-formed (invalid token)"),
        ("<sr:Header>", "<sr:Header a='1' a='2'>", "not well-formed XML: duplicate attribute"),
        ("<sr:Header>", "<sr:Header xmlns:xml='x'>", "not well-formed XML: reserved prefix"),
    ],
)
def test_what_stands_out_of_its_place_is_refused_and_named(old, new, reason):
    error = refusal(message().decode().replace(old, new, 1).encode())
    assert error.reason.startswith(reason)
    assert error.line is not None
    assert error.column is not None


@pytest.mark.parametrize("root", ["Response", "request", "SMETS1SignedResponse"])
def test_another_message_is_refused(root):
    assert refusal(message(root=root)).reason.startswith(f"the message is '{root}', not a Request of namespace http")


def test_a_request_of_another_namespace_is_refused():
    for other in ("", f"{NAMESPACE}/", NAMESPACE.upper(), f"{NAMESPACE} "):
        octets = message().replace(NAMESPACE.encode(), other.encode() or b"urn:x")
        assert refusal(octets).reason.startswith("the message is 'Request', not a Request of namespace")
    assert refusal(b"<Request schemaVersion='5.4'/>").reason.startswith("the message is 'Request'")


def test_the_prefix_may_be_bound_again_to_the_same():
    octets = message().replace(b"<sr:Header>", b'<q:Header xmlns:q="%b">' % NAMESPACE.encode())
    assert read(octets.replace(b"</sr:Header>", b"</q:Header>")) == read(message())
    other = message().replace(b"<sr:RequestID>", b"<sr:RequestID xmlns:sr='urn:other'>")
    assert refusal(other).reason == "'RequestID' is not an element of Header"


def test_other_attributes_say_nothing_to_us():
    octets = message().replace(b"<sr:Header>", b'<sr:Header xmlns:i="urn:i" i:nil="true" note="x">')
    assert read(octets) == read(message())


def test_line_and_column_count_from_one():
    error = refusal(message(CommandVariant="9"))
    assert (error.line, error.column) == (4, len("<sr:CommandVariant>9") + 1)
    assert str(error) == f"{error.reason} (line 4, column 21)"
    stray = refusal(message().replace(b"<sr:Header>", b"<!-- -->\n \t stray<sr:Header>"))
    assert (stray.line, stray.column) == (3, 4)
    assert str(MalformedMessage("nowhere")) == "nowhere"


def test_nothing_after_the_header_is_interpreted():
    start = message().partition(b"</sr:Header>")[0] + b"</sr:Header>"
    for rest in (b"", b"<", b"&x;", b"\0\xff", b"</wrong>", b"<!DOCTYPE x>", b"<sr:Header/>", b"\xff" * 100_000):
        assert by_parser(start + rest) == read(start + rest) == read(message())


@given(eui64s)
def test_an_eui_64_has_one_form_to_compare(text):
    assert normal_eui64(text) == text.upper() == normal_eui64(text.upper())


@pytest.mark.parametrize("text", ["", "90-B3", ORIGINATOR + "-00", ORIGINATOR + "\n", ORIGINATOR.replace("-", ":")])
def test_what_is_no_eui_64_is_refused(text):
    with pytest.raises(ValueError, match="is not an EUI-64"):
        normal_eui64(text)


def test_a_header_cannot_be_changed():
    with pytest.raises(AttributeError):
        read(message()).srv = "2.2"


def test_any_kind_of_buffer_is_read_the_same():
    octets = compose_request(ORIGINATOR, TARGET, 7, "2.2", size=1700)
    expected = by_parser(octets)
    for kind in (bytes, bytearray, memoryview):
        assert read_header(kind(octets), complete=True) == expected
        assert read_header(kind(octets[:300]), complete=False) is None
        assert HeaderReader().feed(kind(octets)) == expected
