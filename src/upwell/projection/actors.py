"""The number of every actor, which is a name in one product."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upwell.projection.keys import hash_text
from upwell.projection.room import Room
from upwell.projection.runs import I64, KeyIndex
from upwell.projection.store import BATCH, batches

ROOM = 65_536  # places kept free for actors yet to come


class Actors:
    """Names to numbers, from 1 on, in the order in which they first came."""

    def __init__(self, room: Room | None = None) -> None:
        self.count = 0
        self.products: list[str] = []
        self._codes: dict[str, int] = {}
        self._index = KeyIndex(room)
        self._product: NDArray[np.int32] = np.zeros(ROOM, np.int32)

    def load(self, db: duckdb.DuckDBPyConnection) -> None:
        """Take all that the file has."""
        self._index.load(lambda: batches(db, "select high, low, no from actors"))
        self.count = int(db.execute("select coalesce(max(no), 0) from actors").fetchall()[0][0])
        rows = db.sql("select no, product from actors").to_arrow_reader(BATCH)
        for batch in map(pa.Table.from_batches, ([part] for part in rows)):
            self._place(batch["no"].to_numpy(), batch["product"])

    def number(
        self, db: duckdb.DuckDBPyConnection, product: pa.ChunkedArray, actor: pa.ChunkedArray
    ) -> pa.Array:
        """The number of each row's actor, null without one; unseen actors get the next numbers."""
        coded = _coded(product, actor)
        distinct = coded.dictionary
        if not len(distinct):
            return pa.nulls(len(coded), pa.int64())
        hashes = hash_text(pa.chunked_array([distinct]))
        numbers = self._index.find(hashes.high, hashes.low)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self.count + 1 + np.arange(len(new))
            self.count += len(new)
            self._index.add(hashes.high[new], hashes.low[new], numbers[new])
            names = pc.split_pattern(distinct.take(pa.array(new)), "\0", max_splits=1)
            known = pa.table(
                {
                    "no": numbers[new],
                    "product": pc.list_element(names, 0),
                    "actor": pc.list_element(names, 1),
                    "high": hashes.high[new],
                    "low": hashes.low[new],
                }
            )
            self._place(numbers[new], known["product"])
            db.from_arrow(known).insert_into("actors")
        return pa.array(numbers).take(coded.indices)

    def find(self, product: pa.ChunkedArray, actor: pa.ChunkedArray) -> pa.Array:
        """The number of each row's actor; null without one, and where it never came."""
        coded = _coded(product, actor)
        hashes = hash_text(pa.chunked_array([coded.dictionary]))
        numbers = self._index.find(hashes.high, hashes.low)
        return pa.array(numbers, mask=numbers < 0).take(coded.indices)

    def product_of(self, actors: I64) -> I64:
        """The product of each actor, as an index into `products`."""
        return self._product[actors].astype(np.int64)

    def _place(self, numbers: I64, products: pa.ChunkedArray) -> None:
        if self.count >= len(self._product):
            larger = np.zeros(self.count + self.count // 4 + ROOM, np.int32)
            larger[: len(self._product)] = self._product
            self._product = larger
        coded = products.combine_chunks().dictionary_encode()
        own = [self._code(name) for name in coded.dictionary.to_pylist()]
        self._product[numbers] = np.array(own, np.int32)[coded.indices.to_numpy()]

    def _code(self, product: str) -> int:
        code = self._codes.get(product)
        if code is None:
            code = self._codes[product] = len(self.products)
            self.products.append(product)
        return code


def _coded(product: pa.ChunkedArray, actor: pa.ChunkedArray) -> pa.Array:
    """Each row's name in one text; a product's id holds no zero byte."""
    text = pc.binary_join_element_wise(product, actor, "\0")
    return text.combine_chunks().dictionary_encode()
