"""Loops over sorted arrays, compiled to machine code at their first use.

A compiled function runs without the interpreter's lock, so threads share its work. The first call
with given types costs seconds (later processes read the cache beside the source, where that can be
written), so a module with compiled loops has a `warm()` for the background of a server's start.
Importing this module loads the compiler: modules that commands import do so inside a function.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

THREADS = max(1, min(4, os.cpu_count() or 1))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as machine code, for calls with arrays, numbers and named tuples of these."""
    try:
        made: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to write a cache: compiled again in each process
        made = numba.njit(nogil=True)(function)
    return made


def shared(function: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """What a function that runs compiled makes of each part, by threads that share the work."""
    if min(THREADS, len(parts)) < 2:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, parts))
