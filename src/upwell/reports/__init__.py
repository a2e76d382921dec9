"""The board report: questions, sentences, charts and one typeset page.

`board` lists what is asked, `figures` puts the answers in rows, `narrate` says what changed (pure),
`charts` draws with the components of the pages, `pdf` sets the page, `make` joins them.
"""

from upwell.reports.board import Month, outline
from upwell.reports.charts import Charts
from upwell.reports.make import Report, make_report

__all__ = ["Charts", "Month", "Report", "make_report", "outline"]
