"""What the company is called and sells, changed on a page."""

from __future__ import annotations

from litestar import post, put
from litestar.params import FromPath, JSONBody

from upwell.web import shapes
from upwell.web.routes import Call, needs, whole_company

_TAGS = ["What there is"]


@put(
    "/v1/workspace",
    status_code=204,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Name the workspace",
)
async def workspace(request: Call, data: JSONBody[shapes.NewWorkspace]) -> None:
    """Its name and week at any time; time zone and currency until the first event is counted."""
    whole_company(request.visitor)
    await request.run(request.parts.company.workspace, data)
    await request.note("workspace_named", data.name)


@post(
    "/v1/products",
    status_code=201,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Add a product",
)
async def add(request: Call, data: JSONBody[shapes.NewProduct]) -> shapes.Product:
    """Events may be sent for it as soon as this is answered; its id stays for good."""
    whole_company(request.visitor)
    made = await request.run(request.parts.company.add, data)
    await request.note("product_added", data.id)
    return made


@put(
    "/v1/products/{product:str}",
    guards=needs("admin"),
    tags=_TAGS,
    summary="Rename or retire a product",
)
async def change(
    request: Call, product: FromPath[str], data: JSONBody[shapes.ProductChange]
) -> shapes.Product:
    """Of products that were added on a page. A retired one stays in history and totals."""
    whole_company(request.visitor)
    done = await request.run(request.parts.company.change, product, data)
    await request.note("product_changed", product)
    return done


ROUTES = (workspace, add, change)
