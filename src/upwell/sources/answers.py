"""Answers of vendors over HTTP: packed or plain, whole ones within bounds, none from elsewhere."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.sources.contract import Moved, TooLarge, Truncated

BLOCK = 1024 * 1024
MOST = 64 * 1024 * 1024  # bytes of a whole answer, unpacked


class Whole(NamedTuple):
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def whole(client: httpx.Client, request: httpx.Request, who: str, most: int = MOST) -> Whole:
    """The answer of `who` to a request.

    Raises TooLarge past `most` bytes, Moved where it sends elsewhere, Truncated where it breaks
    off, Unavailable where there is none; what `client` refuses to call is Rejected.
    """
    request.headers["Accept-Encoding"] = "gzip"  # the one that is unpacked here, within bounds
    answered = False
    try:
        answer = client.send(request, stream=True)
        try:
            answered = True
            stays(answer, who)
            body = bytearray()
            for block in blocks(answer, lambda: broken(who)):
                body += block
                if len(body) > most:
                    raise too_large(who, most)
        finally:
            answer.close()
    except httpx.TransportError as error:
        raise (broken(who) if answered else silent(who, error)) from error
    return Whole(answer.status_code, answer.headers, bytes(body))


def blocks(answer: httpx.Response, broken: Callable[[], UpwellError]) -> Iterator[bytes]:
    """The body in blocks of at most a megabyte; raises `broken` where gzip was not ended."""
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("gzip", "x-gzip"):
        if encoding not in ("", "identity"):
            raise Rejected(
                "unknown_encoding",
                f"The answer is packed as '{encoding[:40]}', which was not asked for.",
                fix="Look at `api_base`, and at what stands between here and there.",
                where="api_base",
            )
        yield from answer.iter_raw(BLOCK)
        return
    unpack, begun = zlib.decompressobj(31), False
    for packed in answer.iter_raw(BLOCK // 4):
        while packed:
            begun = True
            try:
                block = unpack.decompress(packed, BLOCK)
            except zlib.error as error:
                raise broken() from error
            if block:
                yield block
            packed = unpack.unconsumed_tail
            if unpack.eof and unpack.unused_data:  # another member follows
                packed, unpack = unpack.unused_data, zlib.decompressobj(31)
    if begun and not unpack.eof:
        raise broken()


def stays(answer: httpx.Response, who: str) -> None:
    """Raises Moved where an answer sends elsewhere: credentials go to nobody but `api_base`."""
    if not 300 <= answer.status_code < 400:
        return
    there = urlsplit(answer.headers.get("Location", "")).netloc.rpartition("@")[2][:200]
    raise Moved(
        "moved",
        f"{who}'s address answers {answer.status_code} and sends to "
        f"{there or 'another place of its own'}; credentials are sent nowhere else.",
        fix="Leave `api_base` out, or set it to the vendor's own address.",
        where="api_base",
    )


def broken(who: str) -> Truncated:
    """An answer that ended in the middle, or came too slowly to be waited for."""
    return Truncated(
        "truncated",
        f"{who}'s answer broke off, or came too slowly.",
        fix="It is read again by itself; look at `api_base` and the network if it stays.",
    )


def too_large(who: str, most: int) -> TooLarge:
    """An answer past its bound."""
    return TooLarge(
        "too_large",
        f"{who} answered one request with more than {most // 1024 // 1024:,} MB.",
        fix="Look at `api_base`: no answer of the vendor's own is that large. Nothing of it was "
        "kept, and it is tried again every five minutes.",
        where="api_base",
    )


def silent(who: str, error: Exception) -> Unavailable:
    """No answer at all."""
    return Unavailable(
        "unreachable",
        f"{who} does not answer: {error or type(error).__name__}.",
        fix="It is tried again by itself; look at `api_base` and the network if it stays.",
    )
