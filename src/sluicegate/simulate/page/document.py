"""The file: everything inside, nothing fetched, and a policy that lets only its own style and scripts run."""

import base64
import hashlib
from importlib.resources import files

from sluicegate.simulate.page.markup import Html, join, tag

_PACKAGE = "sluicegate.simulate"


def document(title: str, *body: Html, before: Html | None = None, pages: bool = False) -> str:
    """A whole HTML file with ``body`` inside its main element, and ``before`` in front of that.

    ``pages``: the body is made of pages (`pages.page`), of which one is seen at a time.
    """
    style = _asset("assets/uplot/uPlot.min.css") + "\n" + _asset("page/style.css")
    scripts = [_asset("assets/uplot/uPlot.iife.min.js"), _asset("page/charts.js")]
    if pages:
        scripts.append(_asset("page/pages.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    page = tag("body", before, tag("main", *body), *(tag("script", Html(script)) for script in scripts))
    licence = Html(f"<!-- uPlot, inside this page:\n{_asset('assets/uplot/LICENSE')}-->\n")
    return join(Html("<!doctype html>\n"), licence, tag("html", head, page, lang="en-GB"), "\n")


def _asset(path: str) -> str:
    """A text of the package. It must not hold what would end the element into which it is put."""
    text = files(_PACKAGE).joinpath(path).read_text(encoding="utf-8")
    if "</" in text or "--" + ">" in text:
        raise ValueError(f"{path} holds what would end the element in which it stands")
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
