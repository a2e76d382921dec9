"""Why a number is another than before: what each part of it has of the change.

`spread` is the arithmetic, `sides` what rates are divided from, `moves` the ledger's movements and
customers, `door` the question and its answer.
"""

from upwell.query.explain.door import Explain
from upwell.query.explain.shapes import Explanation

__all__ = ["Explain", "Explanation"]
