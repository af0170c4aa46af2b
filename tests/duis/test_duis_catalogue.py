"""The catalogue: complete, consistent, and the same facts as the industry's."""

import csv

import pytest

from sluicegate.duis import CATALOGUE, web_service

from .material import FOLDER

SHARED = FOLDER / "srv-catalogue.csv"
ROLES = {"IS", "GS", "ES", "ED", "GT", "OU", "RSA"}


def test_the_catalogue_holds_129_variants_in_the_order_of_their_numbers():
    assert len(CATALOGUE) == 129
    numbers = [tuple(map(int, srv.split("."))) for srv in CATALOGUE]
    assert numbers == sorted(numbers)
    assert all(srv == variant.srv for srv, variant in CATALOGUE.items())


def test_a_top_up_is_on_demand_and_for_import_and_gas_suppliers():
    top_up = CATALOGUE["2.2"]
    assert (top_up.name, top_up.service_reference) == ("Top Up Device", "2.2")
    assert top_up.on_demand
    assert not top_up.critical
    assert top_up.roles == ("IS", "GS")


def test_a_reference_keeps_the_nought_at_its_end():
    assert CATALOGUE["6.20.1"].service_reference == "6.20"
    assert CATALOGUE["4.10"].service_reference == "4.10"


def test_the_dsp_itself_fires_46_future_dated_variants_and_13_scheduled_ones():
    assert sum(variant.future_dated_at_dsp for variant in CATALOGUE.values()) == 46
    assert sum(variant.dcc_scheduled for variant in CATALOGUE.values()) == 13


def test_roles_are_those_of_the_industry():
    assert {role for variant in CATALOGUE.values() for role in variant.roles} == ROLES


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        CATALOGUE["2.2"] = CATALOGUE["2.3"]
    with pytest.raises(AttributeError):
        CATALOGUE["2.2"].critical = True


@pytest.mark.parametrize(("service", "variants"), [("S", (1, 3, 5, 7)), ("T", (4,)), ("D", (2, 6, 8))])
def test_each_command_variant_has_its_web_service(service, variants):
    assert {web_service(variant) for variant in variants} == {service}


@pytest.mark.parametrize("variant", [0, 9, -1])
def test_another_command_variant_has_none(variant):
    with pytest.raises(ValueError, match="not a Command Variant, 1 to 8"):
        web_service(variant)


@pytest.mark.skipif(not SHARED.is_file(), reason="the industry's catalogue is not here")
def test_the_facts_are_those_of_the_industrys_catalogue():
    with SHARED.open(encoding="utf-8", newline="") as lines:
        theirs = {row["srv"]: row for row in csv.DictReader(lines)}
    assert theirs.keys() == CATALOGUE.keys()
    for srv, row in theirs.items():
        ours = CATALOGUE[srv]
        # A spreadsheet has made 6.2 of 6.20 there; the schema has both.
        assert ours.service_reference == row["service_reference"] or srv.startswith("6.20.")
        assert _letters(ours.name) == _letters(row["name"])
        assert ours.critical == (row["critical"] == "yes")
        assert ours.on_demand == (row["on_demand"] == "yes")
        assert ours.future_dated_at_device == ("Device" in row["future_dated"])
        assert ours.future_dated_at_dsp == ("DSP" in row["future_dated"])
        assert ours.dcc_scheduled == (row["dcc_scheduled"] == "yes")
        assert ours.non_device == (row["non_device"] == "yes")
        assert set(ours.roles) == set(row["roles"].split())


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name))
