"""What is made on pages: products, and what the workspace is called and counts in. Pure.

It lives in the configuration that the journal holds, marked, beside what the file says; the same
product in both is an error.
"""

from __future__ import annotations

from msgspec.structs import replace

from upwell.errors import NotFound, Rejected, nearest
from upwell.projection.ground import Ground, GroundProduct
from upwell.settings import Names, Product, Settings, Workspace, mistakes
from upwell.settings.schema import WEEKDAYS
from upwell.web import shapes

LONGEST = 80  # letters of a name


def in_file(settings: Settings) -> bool:
    """Whether a file says what the workspace is called or counts in: then pages change neither."""
    said, silent = settings.workspace, Workspace()
    return any(
        getattr(said, name) != getattr(silent, name)
        for name in ("name", "timezone", "currency", "week_start")
    )


def kept(ground: Ground, last: Ground) -> Ground:
    """The configuration of a file with what was made on pages under the last one.

    Rejected where a product is in both.
    """
    known = {product.id for product in ground.products}
    made = tuple(product for product in last.products if product.made)
    for product in made:
        if product.id in known:
            raise Rejected(
                "product_twice",
                f"The product '{product.id}' stands in the configuration, and was made on a page.",
                fix="Leave it out of the file: pages show it under Settings, Products.",
                where=f"products.{product.id}",
            )
    found = replace(ground, products=(*ground.products, *made))
    silent = Ground()
    if not last.chosen or _four(ground) != _four(silent):
        return found
    return replace(
        found,
        name=last.name,
        currency=last.currency,
        week_start=last.week_start,
        timezone=last.timezone,
        chosen=True,
    )


def stands_in_the_file(what: str, name: str) -> Rejected:
    """What to say where a page would change something that the file says."""
    return Rejected(
        "kept_in_the_file",
        f"The {what} '{name}' stands in the configuration.",
        fix="Change it there, and start the server again.",
        where=what,
        status=409,
    )


def _four(ground: Ground) -> tuple[str, str, int, str]:
    return ground.name, ground.currency, ground.week_start, ground.timezone


def with_product(ground: Ground, asked: shapes.NewProduct) -> Ground:
    """With one product more; Rejected where its id or name cannot be, or is taken."""
    _judge(Settings(products=(Product(id=asked.id),)))
    if any(product.id == asked.id for product in ground.products):
        raise Rejected(
            "product_exists",
            f"There is a product '{asked.id}' already.",
            fix="Choose another id.",
            where="id",
            status=409,
        )
    name = _named(asked.name or asked.id, "name")
    _apart(ground, name, asked.id)
    made = GroundProduct(id=asked.id, name=name, made=True)
    return replace(ground, products=(*ground.products, made))


def with_change(ground: Ground, id_: str, asked: shapes.ProductChange) -> Ground:
    """With a product called otherwise, retired or taken back; its id stays."""
    product = next((one for one in ground.products if one.id == id_), None)
    if product is None:
        raise NotFound(
            "unknown_product",
            f"Unknown product '{id_[:80]}'.",
            fix=nearest(id_, [one.id for one in ground.products]),
            where="product",
        )
    if not product.made:
        raise stands_in_the_file("product", id_)
    name = product.name if asked.name is None else _named(asked.name, "name")
    _apart(ground, name, id_)
    retired = product.retired if asked.retired is None else asked.retired
    changed = replace(product, name=name, retired=retired)
    others = tuple(changed if one.id == id_ else one for one in ground.products)
    return replace(ground, products=others)


def with_workspace(ground: Ground, asked: shapes.NewWorkspace, counted: bool) -> Ground:
    """With another name, zone, currency or first day of the week.

    Rejected for a zone or currency that is none, and where they would change what is counted.
    """
    week = WEEKDAYS[ground.week_start] if asked.week_start is None else asked.week_start
    if week not in WEEKDAYS:
        raise Rejected(
            "bad_week_start",
            f"'{week[:80]}' is no day of the week.",
            fix=nearest(week, WEEKDAYS),
            where="week_start",
        )
    _judge(Settings(workspace=Workspace(timezone=asked.timezone, currency=asked.currency)))
    new = replace(
        ground,
        name=_named(asked.name, "name"),
        timezone=asked.timezone,
        currency=asked.currency,
        week_start=WEEKDAYS.index(week),
        chosen=True,
    )
    for field in ("timezone", "currency"):
        if counted and getattr(new, field) != getattr(ground, field):
            raise Rejected(
                "already_counted",
                "Numbers are counted in this time zone and currency already.",
                fix="Set another in [workspace] of upwell.toml and start the server again: "
                "everything is then counted anew.",
                where=field,
                status=409,
            )
    return new


def _named(name: str, where: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST or not plain.isprintable():
        raise Rejected(
            "bad_name",
            f"A name has 1 to {LONGEST} letters.",
            fix="Write what people call it, such as Acme Mail.",
            where=where,
        )
    return plain


def _apart(ground: Ground, name: str, id_: str) -> None:
    """Raises Rejected where another product is called the same: people could not tell them."""
    for other in ground.products:
        if other.id != id_ and (other.name or other.id).casefold() == name.casefold():
            raise Rejected(
                "name_taken",
                f"The product '{other.id}' is called {other.name or other.id} already.",
                fix="Choose another name, or use that product.",
                where="name",
                status=409,
            )


def _judge(settings: Settings) -> None:
    """Raises Rejected for what would be a mistake in a configuration file too."""
    for path, code, message, fix in mistakes(settings, Names()):
        raise Rejected(code, message, fix=fix, where=str(path[-1]))
