"""Envoy's configurations in deploy/, with other addresses and certificates than they are shipped with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "envoy"
AUTHORISATION, RATE_LIMIT = "external-authorisation.yaml", "rate-limit.yaml"


def shipped(
    name: str, *, port: int, dsp: int, asked: int, tls: Mapping[str, Path] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The whole configuration, and its HTTP connection manager within it, to be changed further.

    Args:
        name: of a file in deploy/envoy.
        port, dsp, asked: where Envoy listens, forwards and asks, on the loopback address.
        tls: `pem` and `key` of the server, `ca` of the clients; without it Envoy takes plain HTTP.
    """
    told: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    resources = told["static_resources"]
    listener = resources["listeners"][0]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    chain = listener["filter_chains"][0]
    if tls is None:
        del chain["transport_socket"]
    else:
        common = chain["transport_socket"]["typed_config"]["common_tls_context"]
        pair = common["tls_certificates"][0]
        pair["certificate_chain"]["filename"], pair["private_key"]["filename"] = str(tls["pem"]), str(tls["key"])
        common["validation_context"]["trusted_ca"]["filename"] = str(tls["ca"])
    for cluster, to in zip(resources["clusters"], (dsp, asked), strict=True):
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"]["port_value"] = to
    return told, chain["filters"][0]["typed_config"]
