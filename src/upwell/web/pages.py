"""The built pages: files known beforehand, held in memory; every other path is the app itself.

A request's path is only ever looked up in the list of files that exist, so no path can lead out
of the folder. The list is read again when `index.html` changes.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar.types import Receive, Send

from upwell.errors import NotFound, Rejected
from upwell.web.door import header
from upwell.web.failures import encode

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_PLAIN = frozenset({".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".txt"})
_FOREVER = "public, max-age=31536000, immutable"
_SHARED = {"upwell.js": "public, max-age=3600"}  # which other sites' pages load
_MISSING = (
    b"Upwell runs, but its pages were not built.\n\n"
    b"From a checkout: cd ui && npm ci && npm run build\n"
    b"The API works without them: /schema describes it.\n"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file of the pages, ready to send."""

    body: bytes
    packed: bytes | None  # gzip, where that is smaller
    headers: tuple[tuple[bytes, bytes], ...]
    tag: bytes


class Pages:
    """An ASGI app for GET and HEAD of everything that is not the API."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read_at = 0.0
        self._files: dict[str, File] = {}

    async def __call__(self, scope: Any, _: Receive, send: Send) -> None:
        """Serves a file, or the app's index for any path that is a page of it."""
        if scope["method"] not in ("GET", "HEAD"):
            await _fail(send, NotFound("not_found", f"Nothing takes {scope['method']} here."))
            return
        files = self._current()
        if not files:
            await _send(scope, send, 503, _plain_headers(), _MISSING)
            return
        found = files.get(scope["path"]) or (
            None if _is_file_path(scope["path"]) else files["/index.html"]
        )
        if found is None:
            await _fail(send, NotFound("not_found", "There is no such file."))
        elif header(scope, b"if-none-match").encode("latin-1") == found.tag:
            await _send(scope, send, 304, found.headers, b"")
        elif found.packed and "gzip" in header(scope, b"accept-encoding"):
            coded = (*found.headers, (b"content-encoding", b"gzip"))
            await _send(scope, send, 200, coded, found.packed)
        else:
            await _send(scope, send, 200, found.headers, found.body)

    def _current(self) -> dict[str, File]:
        try:
            changed_at = (self._root / "index.html").stat().st_mtime
        except OSError:
            return {}
        if changed_at != self._read_at:
            self._files, self._read_at = _read(self._root), changed_at
        return self._files


def _read(root: Path) -> dict[str, File]:
    files = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix in _TYPES:
            files["/" + path.relative_to(root).as_posix()] = _file(path)
    return files


def _file(path: Path) -> File:
    body = path.read_bytes()
    packed = gzip.compress(body, 6, mtime=0) if path.suffix in _PLAIN else b""
    tag = b'"' + hashlib.sha256(body).hexdigest()[:20].encode() + b'"'
    hashed = re.search(r"-[\w-]{8}\.\w+$", path.name)  # the name carries its content's hash
    headers = (
        (b"content-type", _TYPES[path.suffix].encode()),
        (b"cache-control", (_FOREVER if hashed else _SHARED.get(path.name, "no-cache")).encode()),
        (b"etag", tag),
        (b"vary", b"accept-encoding"),
    )
    return File(
        body=body,
        packed=packed if packed and len(packed) < len(body) else None,
        headers=headers,
        tag=tag,
    )


def _is_file_path(path: str) -> bool:
    """Whether a path asks for a file, or is none that a page could have."""
    if path.startswith("/assets/") or "\\" in path or "\0" in path or "//" in path:
        return True
    parts = path.split("/")
    return any(part.startswith(".") for part in parts) or Path(parts[-1]).suffix in _TYPES


def _plain_headers() -> tuple[tuple[bytes, bytes], ...]:
    return (b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")


async def _fail(send: Send, error: Rejected) -> None:
    status, body, headers = encode(error)
    pairs = [(b"content-type", b"application/json")]
    pairs += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await _send({"method": "GET"}, send, status, tuple(pairs), body)


async def _send(
    scope: Any, send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send(
        {
            "type": "http.response.body",
            "body": b"" if scope["method"] == "HEAD" else body,
            "more_body": False,
        }
    )
