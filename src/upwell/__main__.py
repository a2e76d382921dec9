"""`python -m upwell` is `upwell`."""

import sys

from upwell.cli import main

sys.exit(main())
