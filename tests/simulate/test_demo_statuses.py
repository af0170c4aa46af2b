import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.demo.statuses import DspStatus, Figures, GatewayStatus

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["state", "rates", "totals", "users", "name", "offered", "within", "queue", "served", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["state", "rates", "totals", "users", "queue", "down_seconds"]), anything))
def test_any_object_is_read(document):
    body = json.dumps(document).encode()
    assert GatewayStatus.read(body).state in {"normal", "active"}
    assert isinstance(DspStatus.read(body).queue, int)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"<html>", b"\xff"])
def test_what_is_no_status_is_refused(body):
    for kind in (GatewayStatus, DspStatus):
        with pytest.raises(ValueError):
            kind.read(body)


def test_a_gateway_status_is_read():
    status = GatewayStatus.read(
        b'{"state":"active","rates":{"offered":9.5,"throttled":2},"totals":{"offered":100},'
        b'"users":[{"name":"A","rates":{"within":3}},{"name":"B"}]}'
    )
    assert status.active
    assert status.rates == Figures(offered=9.5, throttled=2)
    assert status.totals.offered == 100
    assert status.user_rates == {"A": Figures(within=3), "B": Figures()}
