"""What every route shares: who may call it, what it is handed, and where blocking work runs."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Guard

from upwell.access import Scope, Viewer
from upwell.errors import Forbidden
from upwell.web.door import House, address_of, admit, by_public_key, check_change
from upwell.web.failures import decode_json, unknown_parameter
from upwell.web.gate import Gate, Pass
from upwell.web.parts import Parts

P = ParamSpec("P")
T = TypeVar("T")

_VISITOR = "upwell.visitor"
PARAMETERS = "parameters"
"""The `opt` of a route that reads query parameters itself: their names."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Where blocking work runs, apart by kind, so that one kind cannot starve another."""

    asks: Executor = field(default_factory=lambda: ThreadPoolExecutor(4, "ask"))
    parsing: Executor = field(default_factory=lambda: ThreadPoolExecutor(2, "parse"))
    # A password check takes 64 MiB for 50 ms on purpose; two at a time bound what a flood can take.
    signing: Executor = field(default_factory=lambda: ThreadPoolExecutor(2, "sign"))

    def close(self) -> None:
        """Lets running work end and takes no more."""
        for pool in (self.asks, self.parsing, self.signing):
            pool.shutdown(wait=False, cancel_futures=True)


async def run(pool: Executor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls it in the pool and waits without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: call(*args, **kwargs))


class Call(Request[Any, Any, Any]):
    """A request with the house at hand, whose JSON errors name line and column."""

    @property
    def parts(self) -> Parts:
        """What the site is made of."""
        return self.app.state.parts  # type: ignore[no-any-return]

    @property
    def threads(self) -> Threads:
        """Where blocking work runs."""
        return self.app.state.threads  # type: ignore[no-any-return]

    @property
    def visitor(self) -> Pass:
        """Whom the route's guard let in."""
        return self.scope[_VISITOR]  # type: ignore[literal-required, no-any-return]

    def enter(self, visitor: Pass) -> None:
        """Let somebody in whose key no guard could find."""
        self.scope[_VISITOR] = visitor  # type: ignore[literal-required]

    @property
    def viewer(self) -> Viewer:
        """The visitor as questions know them."""
        return self.visitor.viewer

    @property
    def gate(self) -> Gate:
        """Who may come in."""
        return self.parts.gate

    @property
    def house(self) -> House:
        """Where the server stands."""
        return self.parts.house

    def now(self) -> dt.datetime:
        """The time of the house's clock."""
        return self.parts.clock()

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls what may block, off the loop."""
        return await run(self.threads.asks, call, *args, **kwargs)

    @property
    def address(self) -> str:
        """Where the visitor comes from, for limits and the audit."""
        return address_of(self.scope, self.house)

    async def note(self, action: str, about: str) -> None:
        """Put into the audit what the viewer did; `about` says to what, in 320 letters at most."""
        await self.run(self.gate.note, self.viewer, action, about[:320], self.address, self.now())

    async def json(self) -> Any:
        """The decoded body; raises Rejected where it is not JSON."""
        return decode_json(await self.body())


async def only_known_parameters(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Raises Rejected for a query parameter that the route does not declare."""
    if not connection.scope["query_string"]:
        return
    known = _parameters(handler)
    for name in connection.query_params:
        if name not in known:
            raise unknown_parameter(name, set(known))


OPEN: list[Guard] = [only_known_parameters]
"""The guards of a route that anybody may call."""


def needs(scope: Scope, *, changes: bool = True, pages: bool = False) -> list[Guard]:
    """Lets in who holds the scope; `changes` False: a POST that only reads needs no CSRF token.

    `pages`: those of other sites may come, with a public key in the address.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        parts: Parts = connection.app.state.parts
        known = (connection.scope, parts.gate, parts.house, parts.clock())
        visitor = (await by_public_key(*known) if pages else None) or await admit(*known)
        if not visitor.viewer.may(scope):
            raise Forbidden(
                "wrong_scope",
                f"This {'key' if visitor.via == 'key' else 'account'} has no '{scope}' scope.",
                fix=f"Use a key that has it: `upwell key create --name N --scope {scope}`.",
                where="Authorization",
            )
        if changes:
            check_change(connection.scope, visitor, parts.house)
        connection.scope[_VISITOR] = visitor  # type: ignore[literal-required]

    return [guard, only_known_parameters]


def whole_company(visitor: Pass) -> None:
    """Raises Forbidden for viewers of some products: raw bytes may hold those of others."""
    if visitor.viewer.products is not None:
        raise Forbidden(
            "some_products_only",
            "This shows what arrived for every product, and you see only some.",
            fix="Ask with a key that is not bound to products.",
        )


@lru_cache(maxsize=256)
def _parameters(handler: BaseRouteHandler) -> frozenset[str]:
    fields = handler.parsed_fn_signature.parameters.values()
    kwargs = (field.kwarg_definition for field in fields)
    declared = (k.name for k in kwargs if isinstance(k, QueryParameter) and k.name)
    return frozenset([*declared, *handler.opt.get(PARAMETERS, ())])
