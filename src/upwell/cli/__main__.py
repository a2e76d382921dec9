"""`python -m upwell.cli` is `upwell`."""

import sys

from upwell.cli import main

sys.exit(main())
