"""One-file pages: text, tables and interactive charts that open from disk without a network.

`markup` escapes whatever is put into it, `charts` and `tables` make the parts, `document` puts the file together.
"""

from sluicegate.simulate.page.charts import Chart, Line, Series, Span, chart
from sluicegate.simulate.page.document import document
from sluicegate.simulate.page.markup import Html, tag
from sluicegate.simulate.page.tables import Cell, share_cell, table

__all__ = ["Cell", "Chart", "Html", "Line", "Series", "Span", "chart", "document", "share_cell", "table", "tag"]
