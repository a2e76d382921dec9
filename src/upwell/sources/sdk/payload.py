"""The JSON in a client's request, and the key that it names: query, form, base64 or plain. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from upwell.errors import Rejected
from upwell.event import MAX_BODY
from upwell.sources.sdk.mended import mended
from upwell.sources.sdk.taking import BROKEN

FORM = "application/x-www-form-urlencoded"
_JSON = (b"{", b"[")


class Payload(NamedTuple):
    """The JSON bytes, and what stood beside them in the query or the form."""

    body: bytes
    fields: Mapping[str, str]


class _Properties(msgspec.Struct):
    token: Any = None


class _Named(msgspec.Struct):
    """Where clients name their key."""

    profile: Any = msgspec.field(default=None, name="$token")
    properties: _Properties | None = None
    write_key: Any = msgspec.field(default=None, name="writeKey")


_NAMED = msgspec.json.Decoder(_Named)
_ANY = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


def payload(body: bytes, content_type: str, query: str) -> Payload:
    """Unwrap a request: `data` of the query or of a form, base64 or plain, or the body itself.

    Lines of JSON become an array. Raises Rejected where no JSON is found.
    """
    fields = _fields(query)
    kind = content_type.partition(";")[0].strip().lower()
    plain = body.lstrip()[:1] in _JSON
    if body and not plain and (kind == FORM or b"=" in body[:64]):
        fields |= _fields(body.decode("latin-1"))
        body = b""
    if not body.strip():
        body = _plain(fields.pop("data", ""))
    return Payload(_judged(body), fields)


def key_of(payload: Payload) -> str:
    """The key that the records or fields name, or ''."""
    first = payload.body
    try:
        if first.lstrip()[:1] == b"[":
            records = _RAWS.decode(first)
            first = bytes(records[0]) if records else b"{}"
        found = _NAMED.decode(first)
    except BROKEN:
        found = _Named()
    inside = found.properties.token if found.properties else None
    for one in (inside, found.profile, found.write_key):
        if isinstance(one, str) and one:
            return one
    return payload.fields.get("api_key", "")


def _fields(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise _not_json("The form has more than 100 fields.") from error


def _plain(data: str) -> bytes:
    text = data.strip()
    if text[:1] in ("{", "["):
        return text.encode(errors="replace")
    standard = text.replace("-", "+").replace("_", "/").replace(" ", "+").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_json("`data` is neither JSON nor base64 of it.") from error


def _judged(body: bytes) -> bytes:
    if body.lstrip()[:1] not in _JSON:
        raise _not_json("There is no JSON object or array in the request.")
    try:
        _ANY.decode(body)
        return body
    except BROKEN as error:
        why = error
    lines = [line for line in body.split(b"\n") if line.strip()]
    joined = b"[" + b",".join(lines) + b"]"
    tried = (joined, mended(body), mended(joined)) if len(lines) > 1 else (mended(body),)
    for one in tried:
        if len(one) > MAX_BODY + 2:
            continue
        try:
            _ANY.decode(one)
            return one
        except BROKEN:
            continue
    raise _not_json(f"{why}.") from why


def _not_json(message: str) -> Rejected:
    return Rejected("not_json", message, fix="Send what the client sends, unchanged.", where="body")
