"""From a Service Request to parcels, or to a refusal."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_rig import (
    AT,
    DSP,
    NORTH,
    NOWHERE,
    ORIGINATOR,
    SOUTH,
    STRANGER,
    USER,
    Ranks,
    Regions,
    firmware,
    intake,
    request,
)  # fmt: skip

from sluicegate.dispatch import letters
from sluicegate.dispatch.intake import Accepted, Intake, Refused
from sluicegate.dispatch.parcel import KEY_OCTETS, Kind
from sluicegate.duis import check_whole, key_text, lane_of, read_header, read_response, request_key

SERVICE = {1: "S", 2: "D", 3: "S", 4: "T", 5: "S", 6: "D", 7: "S", 8: "D"}


def accepted(service: str, body: bytes, of: Intake | None = None) -> Accepted:
    found = (of or intake()).read(service, body, AT)
    assert isinstance(found, Accepted), found
    return found


def refused(service: str, body: bytes, of: Intake | None = None) -> Refused:
    found = (of or intake()).read(service, body, AT)
    assert isinstance(found, Refused), found
    return found


@pytest.mark.parametrize("target", [NORTH, NORTH.lower(), SOUTH])
def test_a_request_becomes_a_parcel_to_the_region_of_its_device(target):
    body = request(target)
    [parcel] = accepted("S", body).incoming
    assert parcel.kind is Kind.REQUEST
    assert parcel.key == request_key(f"{ORIGINATOR}:{target}:7")
    assert len(parcel.key) == KEY_OCTETS
    assert parcel.digest == blake2b(body, digest_size=16).digest()
    assert parcel.destination == ("csp:south" if target == SOUTH else "csp:north")
    assert (parcel.user, parcel.rank, parcel.srv) == (USER, 0, "2.2")
    assert parcel.lane == lane_of(target)
    assert (parcel.path, parcel.body, parcel.fields, parcel.hold) == ("/api/v1/serviceS", body, {}, False)
    assert (parcel.accepted_at, parcel.deadline, parcel.preceding) == (AT, AT + 60.0, None)


@pytest.mark.parametrize("variant", SERVICE)
def test_a_request_is_taken_at_its_web_service_and_sent_to_the_same(variant):
    body = request(command_variant=variant, srv="8.2")
    for service in "STD":
        if service == SERVICE[variant]:
            [parcel] = accepted(service, body).incoming
            assert parcel.path == f"/api/v1/service{service}"
            assert parcel.rank == 1
            assert (parcel.lane is None) == (service == "D")
        else:
            found = refused(service, body)
            assert (found.status, found.code, found.reason) == (200, "E13", "E13")
            assert read_response(found.body)[1:4] == (f"{ORIGINATOR}:{NORTH}:7", None, "E13")
            assert f"goes to service{SERVICE[variant]}, not to service{service}" in found.text


def test_a_request_for_no_device_goes_where_those_go():
    [parcel] = accepted("D", request(DSP, srv="8.2", command_variant=8)).incoming
    assert (parcel.destination, parcel.lane) == ("csp:north", None)
    nowhere = intake()
    nowhere.routes = type("Nowhere", (Regions,), {"non_device": None})()
    assert refused("D", request(DSP, srv="8.2", command_variant=8), nowhere).code == "E19"


def test_a_device_of_no_region_is_unknown():
    found = refused("S", request(NOWHERE))
    assert (found.status, found.code) == (200, "E19")
    assert read_response(found.body).request_id == f"{ORIGINATOR}:{NOWHERE}:7"
    assert NOWHERE in found.text


def test_an_originator_of_no_user_is_refused_without_a_response():
    found = refused("S", request(originator=STRANGER))
    assert (found.status, found.code, found.body) == (403, "", b"")
    assert found.problem is not None
    assert found.problem.name == "unknown-user"
    assert found.text == f"{STRANGER} belongs to no User"


@pytest.mark.parametrize("srv", ["11.1", "11.4"])
def test_a_firmware_message_goes_whole_to_every_region_of_its_list(srv):
    body = firmware(SOUTH, NOWHERE, NORTH, SOUTH, srv=srv)
    first, second = accepted("D", body).incoming
    key = request_key(f"{ORIGINATOR}:{DSP}:9")
    assert (first.key, first.destination) == (key, "csp:north")
    assert (second.key, second.destination) == (key + b"\0south", "csp:south")
    assert {parcel.lane for parcel in (first, second)} == {None}
    assert {parcel.body for parcel in (first, second)} == {body}
    [alone] = accepted("D", firmware(SOUTH)).incoming
    assert (alone.key, alone.destination) == (key, "csp:south")


def test_a_firmware_message_of_unknown_devices_or_without_a_list():
    found = refused("D", firmware(NOWHERE))
    assert (found.code, found.text) == ("E19", "no region is known for any device of the list")
    found = refused("D", firmware("x"))
    assert (found.status, found.code, found.reason) == (400, "E12", "malformed")
    assert read_response(found.body).request_id == f"{ORIGINATOR}:{DSP}:9"
    assert "no DeviceIDList" in refused("D", request(DSP, srv="11.1", command_variant=8)).text


def test_what_it_follows_is_named_by_key_and_nothing_follows_itself():
    before, itself = f"{ORIGINATOR}:{NORTH.lower()}:6", f"{ORIGINATOR}:{NORTH}:7"
    assert accepted("S", request(preceding=before)).incoming[0].preceding == request_key(before)
    assert accepted("S", request(preceding=itself)).incoming[0].preceding is None


@pytest.mark.parametrize(
    ("body", "request_id", "text"),
    [
        (request()[:-9], True, "not well-formed"),
        (request().replace(b"</sr:UTRN>", b""), True, "mismatched tag"),
        (request().replace(b">1</sr:CommandVariant", b">9</sr:CommandVariant"), True, "CommandVariant: '9'"),
        (request().replace(b":7<", b":07<"), False, "RequestID: "),
        (request().replace(b"sr:Request ", b"sr:Rquest "), True, "the message is 'Rquest'"),
        (request().replace(b"<sr:Header>", b"<sr:Header><sr:X/>"), True, "'X' is not an element of Header"),
    ],
)
def test_what_is_malformed_is_answered_with_the_configured_code_and_what_could_be_read(body, request_id, text):
    found = refused("S", body, intake(malformed="E17"))
    assert (found.status, found.code, found.reason) == (400, "E17", "malformed")
    assert found.problem is None
    told = read_response(found.body)
    assert (told.request_id, told.code) == (f"{ORIGINATOR}:{NORTH}:7" if request_id else None, "E17")
    assert b"ServiceReferenceVariant>2.2<" in found.body
    assert text in found.text
    assert "line" in found.text


@pytest.mark.parametrize(
    "body", [b"", b"junk", b"<a/>", b"\0" * 100, request()[:300], request().decode().encode("utf-16")]
)
def test_no_response_can_be_valid_without_an_srv_so_it_is_a_problem(body):
    found = refused("S", body)
    assert (found.status, found.code, found.body) == (400, "E12", b"")
    assert found.problem is not None
    assert found.problem.name == "malformed"


def test_a_code_that_the_schema_does_not_have_is_not_begun_with():
    with pytest.raises(ValueError, match="E999"):
        intake(malformed="E999")
    with pytest.raises(ValueError, match="E18"):
        intake(reused="E18")


def test_a_request_id_of_another_message_is_refused_with_the_configured_code():
    header = read_header(request(), complete=True)
    found = intake(reused="E17").conflict(header, AT)
    assert (found.status, found.code, found.reason) == (409, "E17", "conflict")
    assert read_response(found.body)[1:4] == (header.request_id, None, "E17")


@given(
    st.integers(0, 2**64 - 1),
    st.floats(0, 4e9),
    st.sampled_from(["5.4", "4.10", "1", "10.0"]),
    st.sampled_from(["2.2", "4.1.1", "99.9"]),
)
def test_an_acknowledgement_is_what_is_composed_and_the_same_every_time(counter, at, version, srv):
    header = read_header(request(NORTH.lower(), counter, srv, version=version), complete=True)
    told = intake().acknowledgement(header, at)
    assert told == letters.composed("I99", header.request_id, srv, header.version, at)
    assert told == intake().acknowledgement(header, at)
    check_whole(told)
    read = read_response(told)
    assert (read.request_id, read.code, read.version) == (header.request_id, "I99", header.version)
    assert request_key(read.request_id) == request_key(key_text(request_key(header.request_id)))


@given(st.binary(max_size=200), st.sampled_from("STD"))
def test_whatever_comes_is_refused_and_never_an_error(body, service):
    assert isinstance(intake().read(service, body, AT), Refused)
    assert isinstance(intake().outcome(body, AT), Refused)


@given(st.integers(0, 1700), st.binary(max_size=4), st.sampled_from("STD"))
def test_a_damaged_request_is_taken_or_refused_and_never_an_error(at, octets, service):
    body = request(size=1700)
    found = intake().read(service, body[:at] + octets + body[at + len(octets) :], AT)
    assert isinstance(found, Accepted) or found.body or found.problem


def test_ranks_are_those_of_the_users_own_profile():
    asked = []

    class Asked(Ranks):
        def rank(self, srv, command_variant, target):
            asked.append((srv, command_variant, target))
            return 5

    own = Intake(
        Regions(), {ORIGINATOR: (USER, Asked())}, lambda srv: 1.0, malformed="E12", reused="E12", give_up_seconds=1
    )
    assert accepted("T", request(NORTH.lower(), command_variant=4, srv="1.1.1"), own).incoming[0].rank == 5
    assert asked == [("1.1.1", 4, NORTH)]
