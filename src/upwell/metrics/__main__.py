"""`python -m upwell.metrics PAGE` prints docs/reference/PAGE.md: metrics or counting-rules."""

import sys

from upwell.metrics.reference import PAGES

if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
    sys.exit(f"Name a page: {' or '.join(PAGES)}.")
print(PAGES[sys.argv[1]](), end="")
