"""DUIS versions: decimal numbers, because the schema says so (4.10 is 4.1, and 4.9 is the later one)."""

import re
from decimal import Decimal

MAX_VERSION_CHARACTERS = 32
"""More than any version needs; what is longer is refused before it is read."""

XML_WHITE_SPACE = " \t\r\n"

_DECIMAL = re.compile(r"\+?(?:0*([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))")


def parse_version(text: str) -> Decimal:
    """The DUIS version that `text` states, as a number in its shortest form: `4.10` gives `Decimal("4.1")`.

    The form is that of xs:decimal (XML Schema part 2, 3.2.3): digits with an optional point and sign, white
    space around it ignored, no exponent. A version is above zero.

    Raises ValueError, which says what is wrong, for anything else.
    """
    if len(text) > MAX_VERSION_CHARACTERS:
        raise ValueError(f"a version of more than {MAX_VERSION_CHARACTERS} characters")
    stated = text.strip(XML_WHITE_SPACE)
    form = _DECIMAL.fullmatch(stated)
    if form is None:
        raise ValueError(f"{stated!a} is not a decimal number above zero, such as 5.4")
    whole, fraction, bare_fraction = form.groups()
    digits = (fraction or bare_fraction or "").rstrip("0")
    # Through text and not through normalize(), which would write 10 as 1E+1.
    version = Decimal(f"{whole or '0'}.{digits}" if digits else whole or "0")
    if not version:
        raise ValueError(f"{stated!a} is not above zero")
    return version
