"""The real schema, where it is: nothing is loaded from a network."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .material import FOLDER

PARTS = FOLDER / "schema"
BOTH = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://www.dccinterface.co.uk/ServiceUserGateway" schemaLocation="DUIS%20Schema%20V5.4.xsd"/>
  <xs:import namespace="http://www.dccinterface.co.uk/ResponseAndAlert" schemaLocation="MMC%20Schema%20V5.4.xsd"/>
</xs:schema>"""

needs_schema = pytest.mark.skipif(not PARTS.is_dir(), reason="the schema is not here")


@cache
def schema() -> Any:
    """DUIS and MMC, which import each other. The DTD that xmldsig names is not read."""
    from lxml import etree

    class OnlyHere(etree.Resolver):
        def resolve(self, url, public, context):
            path = PARTS / Path(url.replace("%20", " ")).name
            if path.suffix == ".xsd" and path.is_file():
                return self.resolve_filename(str(path), context)
            return self.resolve_empty(context)

    parser = etree.XMLParser(no_network=True, load_dtd=False)
    parser.resolvers.add(OnlyHere())
    return etree.XMLSchema(etree.fromstring(BOTH, parser, base_url=str(PARTS / "both.xsd")))


def complaint(octets: bytes) -> str | None:
    """What the schema has against a message."""
    from lxml import etree

    checked = schema()
    if checked.validate(etree.fromstring(octets)):
        return None
    return str(checked.error_log.last_error)
