"""From a device to its region: a device of the table first, then the longest prefix."""

import pickle
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.routing import Routes, RoutesError
from sluicegate.routing.devices import Builder, Devices
from sluicegate.settings import parse

SETTINGS = """\
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
upstream = "http://127.0.0.1:8080"
identity = "originator"
[[csp]]
name = "south"
url = "http://127.0.0.1:8202"
prefixes = ["00-DB", "90"]
[[csp]]
name = "north"
url = "http://127.0.0.1:8201"
prefixes = ["00-db-12"]
[[user]]
name = "A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 300
"""
ONE = "00-DB-12-00-00-00-00-01"


def eui64(number):
    return number.to_bytes(8, "big").hex("-").upper()


def table_of(*devices, chunk=4):
    builder = Builder(chunk)
    for device, region in devices:
        builder.add(device, region)
    return builder.devices(20), builder


def test_the_longest_prefix_counts():
    routes = Routes({"00": "a", "00-DB": "b", "00-DB-12": "c", ONE: "d"})
    found = [routes.region(text) for text in ("00" + "-00" * 7, "00-DB" + "-00" * 6, ONE[:-1] + "2", ONE)]
    assert found == ["a", "b", "c", "d"]
    assert routes.region("01" + "-00" * 7) is None


def test_a_device_of_the_table_counts_before_every_prefix():
    devices, _ = table_of((int(ONE.replace("-", ""), 16), 1))
    routes = Routes({ONE: "a", "00": "a"}, ["a", "b"], devices)
    assert routes.region(ONE) == "b"
    assert routes.region(ONE[:-1] + "2") == "a"
    assert routes.devices == 1


@pytest.mark.parametrize("target", ["", "x", "00-DB-12-00-00-00-00-0G", "-" * 23, "\u0661", "9" * 5000])
def test_what_is_no_device_is_in_no_region_and_never_a_stack_trace(target):
    devices, _ = table_of((1, 0))
    for routes in (Routes({"00-DB": "a"}), Routes({}, ["a"], devices), Routes({})):
        assert routes.region(target) in (None, "a")


def test_the_regions_of_a_list_are_each_there_once_and_unknown_devices_count_for_none():
    routes = Routes({"00": "south", "01": "north"})
    targets = [eui64(n << 56 | k) for n in (0, 1, 2) for k in range(3)]
    assert routes.regions(targets) == ("north", "south")
    assert routes.regions(targets[-3:]) == routes.regions([]) == ()


@given(st.dictionaries(st.binary(min_size=1, max_size=3), st.sampled_from("abc")), st.binary(min_size=8, max_size=8))
def test_prefixes_are_found_as_by_looking_at_each(prefixes, device):
    routes = Routes({octets.hex("-").upper(): region for octets, region in prefixes.items()})
    fitting = [octets for octets in prefixes if device.startswith(octets)]
    expected = prefixes[max(fitting, key=len)] if fitting else None
    assert routes.region(device.hex("-").upper()) == expected


NUMBER = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 20))


@given(st.lists(st.tuples(NUMBER, st.integers(0, 2))), st.integers(1, 8), NUMBER)
def test_a_table_in_any_order_is_that_of_a_dictionary(pairs, chunk, other):
    given_ = {}
    for device, region in pairs:
        given_.setdefault(device, set()).add(region)
    devices, builder = table_of(*pairs, chunk=chunk)
    assert list(devices.keys) == sorted(given_)
    assert builder.count == len(pairs)
    assert builder.conflicts == sum(len(regions) > 1 for regions in given_.values())
    assert builder.conflicting == sorted(d for d, regions in given_.items() if len(regions) > 1)[:20]
    for device in [*given_, other]:
        assert devices.region(device) in given_.get(device, {None})


def test_a_device_takes_nine_octets():
    devices, _ = table_of(*((n * 3, n % 2) for n in range(10_000)), chunk=1000)
    assert devices.keys.itemsize + devices.regions.itemsize == 9
    assert sys.getsizeof(devices.keys) + sys.getsizeof(devices.regions) < 10_000 * 11


def test_routes_from_prefixes_alone_need_no_dispatcher():
    routes = Routes.from_settings(parse(SETTINGS))
    assert (routes.region(ONE), routes.region("00-DB-13-00-00-00-00-01")) == ("north", "south")
    assert (routes.non_device, routes.devices) == (None, 0)


def test_the_region_of_requests_without_a_device_is_a_setting():
    routes = Routes.from_settings(parse(SETTINGS + '[dispatch.routes]\nnon_device = "south"\n'))
    assert routes.non_device == "south"


def swapped(text):
    south, north = text.index("[[csp]]"), text.rindex("[[csp]]")
    end = text.index("[[user]]")
    return text[:south] + text[north:end] + text[south:north] + text[end:]


def test_the_same_routes_have_the_same_fingerprint(tmp_path):
    (tmp_path / "one.csv").write_text(f"device,region\n{ONE},south\n{eui64(7)},north\n")
    (tmp_path / "two.csv").write_text(f'device,region\n"{eui64(7)}",north\n\n{ONE.lower()},south\n')
    (tmp_path / "other.csv").write_text(f"device,region\n{ONE},north\n{eui64(7)},north\n")

    def fingerprint(text, table=None):
        text += f'[dispatch.routes]\ntable = "{table}"\n' if table else ""
        return Routes.from_settings(parse(text, base=tmp_path)).fingerprint

    first = fingerprint(SETTINGS)
    assert len(first) == 32
    assert first == fingerprint(swapped(SETTINGS)) == fingerprint(SETTINGS.replace(":8201", ":8301"))
    assert first != fingerprint(SETTINGS.replace('"90"', '"91"'))
    assert fingerprint(SETTINGS, "one.csv") == fingerprint(swapped(SETTINGS), "two.csv")
    assert len({first, fingerprint(SETTINGS, "one.csv"), fingerprint(SETTINGS, "other.csv")}) == 3


def test_a_fingerprint_does_not_depend_on_the_order_of_octets_in_a_number(monkeypatch):
    table = Devices(array("Q", [1, 2]), array("B", [0, 0]))
    little = Routes({}, ["a"], table).fingerprint
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert Routes({}, ["a"], table).fingerprint != little, "each machine swaps what it has"
    assert list(table.keys) == [1, 2]


def test_routes_and_what_is_wrong_with_them_can_be_sent_to_another_process(tmp_path):
    (tmp_path / "one.csv").write_text(f"device,region\n{ONE},south\nx,y\n")
    text = SETTINGS + '[dispatch.routes]\ntable = "one.csv"\n'
    with pytest.raises(RoutesError) as refused:
        Routes.from_settings(parse(text, base=tmp_path))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    routes = pickle.loads(pickle.dumps(Routes({"00": "a"}, ["a", "b"], table_of((5, 1))[0])))
    assert (routes.region(eui64(5)), routes.region(eui64(6))) == ("b", "a")
