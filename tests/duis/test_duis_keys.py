"""RequestIDs as keys, devices as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import compose_request, header_key, key_text, lane_of, read_header, request_key

from .layouts import counters, eui64s, request_ids


@given(request_ids)
def test_a_key_is_the_request_id_in_24_octets(request_id):
    key = request_key(request_id)
    assert len(key) == 24
    assert key_text(key) == request_id.upper()
    assert request_key(key_text(key)) == key


@given(st.binary(min_size=24, max_size=24))
def test_every_24_octets_are_the_key_of_one_request_id(key):
    assert request_key(key_text(key)) == key


@given(request_ids, request_ids)
def test_two_request_ids_have_one_key_only_if_they_are_the_same(one, other):
    assert (request_key(one) == request_key(other)) == (one.upper() == other.upper())


@given(eui64s, eui64s, counters)
def test_the_key_of_a_header_is_that_of_its_request_id_and_its_target_is_its_lane(originator, target, counter):
    header = read_header(compose_request(originator, target, counter, "2.2"), complete=True)
    assert header is not None
    key = header_key(header)
    assert key == request_key(header.request_id)
    assert int.from_bytes(key[8:16], "big", signed=True) == lane_of(target)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_signed_64_bit_number_is_one_lane(number):
    eui64 = number.to_bytes(8, "big", signed=True).hex("-")
    assert lane_of(eui64) == lane_of(eui64.upper()) == number


@pytest.mark.parametrize("wrong", ["", "x", "90-B3", "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0", "::", "::1"])
def test_what_is_no_request_id_has_no_key(wrong):
    with pytest.raises(ValueError, match="is not the EUI-64"):
        request_key(wrong)


@pytest.mark.parametrize("wrong", ["", "90-B3-D5-1F-30-01-00", "90B3D51F30010000", "90-B3-D5-1F-30-01-00-0G"])
def test_what_is_no_eui64_has_no_lane(wrong):
    with pytest.raises(ValueError, match="is not an EUI-64"):
        lane_of(wrong)


@pytest.mark.parametrize("length", [0, 23, 25])
def test_a_key_of_another_length_is_none(length):
    with pytest.raises(ValueError, match="24 octets"):
        key_text(bytes(length))
