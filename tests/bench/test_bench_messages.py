import random
import struct
from collections import Counter

import pytest
from bench.messages import GROUPS, NEW_VERSION, OLD_VERSION, frame, post, top_up, users, write_frames

from sluicegate.duis import parse_version, read_header


def entries(path):
    octets, found = path.read_bytes(), []
    while octets:
        group, expected, length = struct.unpack("<III", octets[:12])
        found.append((group, expected, octets[12 : 12 + length]))
        octets = octets[12 + length :]
    return found


def test_sixty_users_share_the_certificates_and_the_versions_evenly():
    assert len({user.eui for user in users()}) == 60
    assert set(Counter(user.group for user in users()).values()) == {60 // GROUPS}
    assert abs(Counter(user.version for user in users())[OLD_VERSION] - 30) <= GROUPS


def test_the_versions_stand_on_both_sides_of_the_switch():
    assert parse_version(OLD_VERSION) < parse_version("4.1") <= parse_version(NEW_VERSION)
    assert {user.version: user.throttled_status for user in users()} == {OLD_VERSION: 503, NEW_VERSION: 429}


def test_a_top_up_is_of_the_usual_size_and_its_header_is_read():
    user = users()[7]
    message = top_up(user, 12884901888, random.Random(1))
    assert 1650 <= len(message) <= 1750
    header = read_header(message, True)
    assert user.eui.lower() in str(header.originator).lower()


def test_a_request_is_whole():
    head, _, body = post(b"abc").partition(b"\r\n\r\n")
    assert body == b"abc"
    assert head.startswith(b"POST /api/v1/serviceS HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 3" in head


def test_a_frame_holds_group_status_and_length():
    assert frame(3, 429, b"xyz") == b"\x03\0\0\0" + b"\xad\x01\0\0" + b"\x03\0\0\0xyz"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"rejecting": False}, {200}),
        ({"rejecting": True}, {429, 503}),
        ({"rejecting": True, "one_status": 429}, {429}),
    ],
)
def test_each_message_has_the_status_that_it_must_get(tmp_path, how, expected):
    write_frames(tmp_path / "f", **how)
    found = entries(tmp_path / "f")
    assert {status for _, status, _ in found} == expected
    assert {group for group, _, _ in found} == {0}
    if expected == {429, 503}:
        assert all((status == 429) == (b'"5.4"' in request) for _, status, request in found)


def test_with_certificates_a_message_goes_with_the_certificate_of_its_user(tmp_path):
    write_frames(tmp_path / "f", rejecting=False, grouped=True)
    owner = {user.eui.encode(): user.group for user in users()}
    for group, _, request in entries(tmp_path / "f"):
        assert owner[request.partition(b"RequestID>")[2][:23]] == group


def test_the_same_messages_are_sent_in_every_run(tmp_path):
    for name in ("a", "b"):
        write_frames(tmp_path / name, rejecting=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
