"""One-file pages: text, tables and interactive charts that open from disk without a network.

`markup` escapes whatever is put into it, `charts` and `tables` make the parts, `pages` puts several into one
file, `document` puts the file together.
"""

from sluicegate.simulate.page.charts import Chart, Line, Series, Span, Tone, chart
from sluicegate.simulate.page.document import document
from sluicegate.simulate.page.markup import Html, join, tag
from sluicegate.simulate.page.pages import Link, keys, link, navigation, page, search
from sluicegate.simulate.page.tables import Cell, level_cell, share_cell, table

__all__ = [
    "Cell",
    "Chart",
    "Html",
    "Line",
    "Link",
    "Series",
    "Span",
    "Tone",
    "chart",
    "document",
    "join",
    "keys",
    "level_cell",
    "link",
    "navigation",
    "page",
    "search",
    "share_cell",
    "table",
    "tag",
]
