"""Calls of Stripe's API by its own SDK: paced, tried again while that can help, judged by `Guard`.

The SDK names the version, signs the request and tells its errors apart; bytes are taken as they
came. It does not retry a plain 429 by itself, so that is done here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import stamina
import stripe

from upwell.egress import Guard
from upwell.errors import Rejected, Unavailable
from upwell.sources.answers import whole
from upwell.sources.contract import NotAllowed, SignIn
from upwell.sources.stripe.fetch import VERSION, Gone, Query

PACE = 0.05  # seconds between two requests: a fifth of what Stripe allows
PATIENCE = 300.0  # seconds that one request is tried again
LONGEST = 30.0  # seconds between two tries
TIMEOUT = 60.0


class Calls:
    """One account's API; `get` may be called from any thread."""

    def __init__(
        self,
        api_key: str,
        api_base: str,
        guard: Guard,
        *,
        patience: float = PATIENCE,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._http = guard.client(TIMEOUT)
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=VERSION,
            base_addresses={"api": api_base.rstrip("/")},
            http_client=_Http(self._http),
            max_network_retries=0,
        )
        self._base = api_base
        self._patience = patience
        self._stopping = stopping
        self._next = 0.0

    def get(self, path: str, query: Query) -> bytes:
        """The body of a GET.

        Raises Gone (it, or what the query names, is not there), SignIn, NotAllowed, Rejected for
        what must be changed, Unavailable where Stripe could not be reached for a while.
        """
        params = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in query.items()
        }
        try:
            for attempt in stamina.retry_context(
                self._again,
                attempts=None,
                timeout=self._patience,
                wait_initial=0.5,
                wait_max=LONGEST,
            ):
                with attempt:
                    self._wait()
                    return str(self._client.raw_request("get", path, **params).body).encode()
        except stripe.StripeError as error:
            if _strange(error):
                raise self._nobody() from error
            raise _told(error, path) from error
        raise AssertionError("a retry ends with an answer or an error")

    def _nobody(self) -> Rejected:
        return Rejected(
            "no_stripe_there",
            f"There is no Stripe API at {self._base}, the api_base of this source.",
            fix="Correct api_base of this source, or leave it out to read api.stripe.com.",
            where="api_base",
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _wait(self) -> None:
        pause = self._next - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self._next = time.monotonic() + PACE

    def _again(self, error: Exception) -> bool | float:
        """Whether another try may help, or after how many seconds Stripe asks for it."""
        if self._stopping() or not isinstance(error, stripe.StripeError):
            return False
        status = error.http_status or 0
        unreached = isinstance(error, stripe.APIConnectionError)
        if not (unreached or status in (409, 429) or status >= 500):
            return False
        asked = str((error.headers or {}).get("retry-after", ""))
        return min(float(asked), LONGEST) if asked.isdigit() else True


class _Http(stripe.HTTPClient):
    """The SDK's requests through our own guarded client."""

    name = "httpx"

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self._client = client

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        try:
            request = self._client.build_request(
                method, url, headers=dict(headers or {}), content=post_data or None
            )
            answer = whole(self._client, request, "Stripe")
            return answer.body.decode(errors="replace"), answer.status, answer.headers
        except (httpx.HTTPError, Unavailable) as error:
            message = f"{type(error).__name__}: {error}"
            raise stripe.APIConnectionError(message) from error  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._client.close()


def _strange(error: stripe.StripeError) -> bool:
    """Whether something answered that is not Stripe: no JSON, or a 404 without Stripe's words."""
    status = error.http_status or 500
    if status == 404:
        return not isinstance(error, stripe.InvalidRequestError)
    return status < 400


def _told(error: stripe.StripeError, path: str) -> Exception:
    message = str(error.user_message or error).strip() or type(error).__name__
    if error.http_status == 404 or error.code == "resource_missing":
        return Gone(message)
    if isinstance(error, stripe.AuthenticationError):
        return SignIn(
            "sign_in_failed",
            f"Stripe does not take the key: {message.rstrip('.')}.",
            fix="Make a new restricted key in Stripe's dashboard and use that one.",
        )
    if isinstance(error, stripe.PermissionError):
        return NotAllowed(
            "missing_permission",
            f"The key may not read {path}: {message}",
            fix="Give the restricted key read permission for it in Stripe's dashboard.",
        )
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError) or (
        (error.http_status or 0) >= 500
    ):
        return Unavailable("stripe_unreachable", f"Stripe could not be asked: {message}")
    return Rejected(
        "stripe_refused",
        f"Stripe refused to answer {path} ({error.http_status}): {message}",
        fix="Look up the message; reading goes on from the same place when it is tried again.",
    )
