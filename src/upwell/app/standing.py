"""What the running server stands on: the settings in force, and how pages change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

from upwell.app import made
from upwell.app.house import House
from upwell.projection.ground import Ground
from upwell.settings import Settings
from upwell.web import shapes

SOON = 10.0  # seconds that a page waits until the loop has read its change


class Standing:
    """The settings in force; `moved` is told when pages changed them."""

    def __init__(self, house: House, products: Callable[[], Iterable[shapes.Product]]) -> None:
        self._house = house
        self._products = products
        self._settings = house.presented()
        self._lock = Lock()
        self.moved: Callable[[Ground], None] = lambda _: None

    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._settings

    def workspace(self, asked: shapes.NewWorkspace) -> None:
        """Name the workspace, and say what it counts in."""
        if made.in_file(self._house.settings):
            raise made.stands_in_the_file("workspace", self._settings.workspace.name)
        counted = self._house.first_day() is not None
        self._stand(lambda ground: made.with_workspace(ground, asked, counted))

    def add(self, asked: shapes.NewProduct) -> shapes.Product:
        """Add a product; events may be sent for it at once."""
        self._stand(lambda ground: made.with_product(ground, asked))
        return self._shown(asked.id)

    def change(self, id_: str, asked: shapes.ProductChange) -> shapes.Product:
        """Rename a product, retire it or take it back."""
        self._stand(lambda ground: made.with_change(ground, id_, asked))
        return self._shown(id_)

    def _stand(self, change: Callable[[Ground], Ground]) -> None:
        with self._lock:
            seq = self._house.stand_otherwise(change)
            self._settings = self._house.presented()
            self.moved(self._house.ground)
        self._house.flow.wait(seq, SOON)

    def _shown(self, id_: str) -> shapes.Product:
        """The product as pages list it, also while the loop has not read of it yet."""
        listed = {one.id: one for one in self._products()}
        if id_ in listed:
            return listed[id_]
        one = next(one for one in self._house.ground.products if one.id == id_)
        return shapes.Product(
            id=id_,
            name=one.name,
            events=0,
            last_seen=None,
            first_day=None,
            retired=one.retired,
            in_file=not one.made,
        )
