"""Patterns of SRVs, prefixes of devices, names of CSPs, codes: what is taken, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.settings import patterns


@pytest.mark.parametrize("text", ["*", "2.2", "4.*", "6.15.1", "6.15.*", "99.99.99"])
def test_a_pattern_is_an_srv_a_part_of_them_or_all(text):
    assert patterns.srv_pattern(text) == text


@pytest.mark.parametrize(
    "text", ["", "2", "2.", "*.2", "2.*.1", "6.1*", "**", "1.2.3.*", "0.*", "02.1", "2.2\n", 2.2, None]
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(ValueError, match="is not an SRV or a pattern"):
        patterns.srv_pattern(text)


@pytest.mark.parametrize(("srv", "found"), [("2.2", ("2.2", "2.*", "*")), ("6.15.1", ("6.15.1", "6.15.*", "6.*", "*"))])
def test_an_srv_has_its_patterns_the_most_special_first(srv, found):
    assert patterns.patterns_of(srv) == found
    assert all(patterns.srv_pattern(pattern) for pattern in found)


@given(st.binary(min_size=1, max_size=8), st.booleans())
def test_a_prefix_is_one_to_eight_octets_in_upper_case(octets, upper):
    text = octets.hex("-")
    assert patterns.eui64_prefix(text.upper() if upper else text) == text.upper()


@pytest.mark.parametrize("text", ["", "0", "00-", "-00", "00DB", "00-D", "0G", "-".join(["00"] * 9), "00\n", 0, None])
def test_what_is_no_prefix_is_refused(text):
    with pytest.raises(ValueError, match="is not the beginning of an EUI-64"):
        patterns.eui64_prefix(text)


@pytest.mark.parametrize("text", ["north", "North_2", "a-b", "7", "x" * 40])
def test_the_name_of_a_csp_is_short_and_plain(text):
    assert patterns.csp_name(text) == text


@pytest.mark.parametrize("text", ["", "x" * 41, "the north", "-a", "a:b", "nörd", "a\n", 3])
def test_what_is_no_name_of_a_csp_is_refused(text):
    with pytest.raises(ValueError, match="is not the name of a CSP"):
        patterns.csp_name(text)


@pytest.mark.parametrize("text", ["E1", "E12", "E123456"])
def test_a_code_is_an_e_and_a_number(text):
    assert patterns.error_code(text) == text


@pytest.mark.parametrize("text", ["", "E", "e12", "I99", "E1234567", "E12 ", "E12\n", "E\u0661", 12])
def test_what_is_no_code_is_refused(text):
    with pytest.raises(ValueError, match="is not an error code"):
        patterns.error_code(text)
