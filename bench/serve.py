"""`upwell` as it is installed, with the names of its threads told to the system.

`python -m bench.serve serve …`: what each thread costs can then be read from outside (`/proc`).
Python before 3.14 keeps a thread's name to itself. What only the peers need stays out: chdb brings
pandas, which pyarrow would load with the first request.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from upwell.cli import main

_run = threading.Thread.run


class WithoutPeers(MetaPathFinder):
    """Hides what an installed Upwell does not have."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises for pandas; leaves everything else to the others."""
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("not installed with upwell", name=fullname)
        return None


def _named(thread: threading.Thread) -> None:
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(thread.name[:15])
    _run(thread)


if __name__ == "__main__":
    sys.meta_path.insert(0, WithoutPeers())
    threading.Thread.run = _named  # type: ignore[method-assign,assignment]
    sys.exit(main())
