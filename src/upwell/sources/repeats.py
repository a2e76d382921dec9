"""Which records of a file are repeats of one another, found in flat memory.

A repeat is honest: the same customer may buy the same thing twice in a day. So each record is known
by its content and by its number among identical ones, whatever their order in the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import IO, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

AT_ONCE = 4_000_000  # fingerprints compared in memory at a time (32 MB)


def fingerprint(record: bytes) -> str:
    """128 bits of a record's content, in hex; spaces at its ends do not count."""
    return xxhash.xxh3_128_hexdigest(record.strip())


class Repeats:
    """Fingerprints of all records go to a temporary file; those that come twice stay in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        self.records = 0
        self._repeated: frozenset[int] = frozenset()
        self.extra = 0  # records that repeat an earlier one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, records: Sequence[bytes]) -> None:
        """Take note of the next records; blank ones are none."""
        short = [xxhash.xxh3_64_intdigest(text) for record in records if (text := record.strip())]
        self._file.write(np.array(short, dtype=np.uint64).tobytes())
        self.records += len(short)

    def find(self) -> None:
        """All records are known: find the repeated ones, a share of all fingerprints at a time."""
        shares = -(-self.records // AT_ONCE) or 1
        repeated: set[int] = set()
        for share in range(shares):
            values, counts = np.unique(self._share(share, shares), return_counts=True)
            repeated.update(values[counts > 1].tolist())
            self.extra += int((counts - 1).sum())
        self._repeated = frozenset(repeated)

    def counter(self) -> Counter:
        """A fresh counter for reading the same records again, from the first one on."""
        return Counter(self._repeated)

    def _share(self, share: int, shares: int) -> NDArray[np.uint64]:
        self._file.seek(0)
        found = []
        while block := self._file.read(AT_ONCE * 8):
            values = np.frombuffer(block, dtype=np.uint64)
            found.append(values[values % np.uint64(shares) == share] if shares > 1 else values)
        return np.concatenate(found) if found else np.array([], dtype=np.uint64)


class Counter:
    """Gives each repeated record its number: none for the first, then 1, 2 …"""

    def __init__(self, repeated: frozenset[int]) -> None:
        self._repeated = repeated
        self._seen: dict[int, int] = {}

    def number(self, records: Sequence[bytes]) -> dict[int, int]:
        """Index → number, for those of the records that repeat an earlier one of the file."""
        if not self._repeated:
            return {}
        numbers: dict[int, int] = {}
        for index, record in enumerate(records):
            short = xxhash.xxh3_64_intdigest(record.strip())
            if short in self._repeated:
                number = self._seen.get(short, 0)
                self._seen[short] = number + 1
                if number:
                    numbers[index] = number
        return numbers
