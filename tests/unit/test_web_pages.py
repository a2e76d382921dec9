"""The pages' files: caches, packing, the app behind every page's path, and no way out."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web_house import Built

pytestmark = pytest.mark.anyio
INDEX = "<!doctype html><title>Upwell</title>"
SCRIPT = "console.log(1);" * 200


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    (pages / "index.html").write_text(INDEX)
    (pages / "assets" / "icon.svg").write_text("<svg/>")
    (pages / "assets" / "app-1a2b3c4D.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("canary")
    (pages / "link.txt").symlink_to(tmp_path / "secret.txt")
    (pages / ".env").write_text("canary")
    house = Built(tmp_path)
    yield house
    house.close()


@pytest.mark.parametrize("path", ["/", "/products/mail", "/alerts?open=1", "/setup?token=x"])
async def test_every_page_is_the_app(built: Built, path: str) -> None:
    async with built.client() as client:
        answer = await client.get(path)
        assert answer.text == INDEX
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(INDEX))


async def test_hashed_files_are_kept_for_ever_and_packed(built: Built) -> None:
    async with built.client() as client:
        packed = await client.get("/assets/app-1a2b3c4D.js", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/assets/app-1a2b3c4D.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 200
    assert packed.text == plain.text == SCRIPT
    assert "content-encoding" not in plain.headers
    for answer in (packed, plain):
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["vary"] == "accept-encoding"


async def test_a_file_without_a_hash_is_asked_for_again(built: Built) -> None:
    async with built.client() as client:
        answer = await client.get("/assets/icon.svg")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "image/svg+xml"


TRAVERSALS = [
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/..%5c..%5csecret.txt",
    "/assets/..\\..\\secret.txt",
    "/....//....//secret.txt",
    "/assets//../secret.txt",
    "/%00/secret.txt",
    "/assets/%00",
    "/link.txt",
    "/.env",
    "/secret.txt",
    "//etc/passwd",
    "/etc/passwd.txt",
    "/assets/none.js",
    "/assets/",
    "/file:///etc/passwd.txt",
    "/%252e%252e%252fsecret.txt",
]


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_no_path_leads_out(built: Built, path: str) -> None:
    """Grafana (CVE-2021-43798) joined a folder with what was asked for."""
    from urllib.parse import unquote

    for decoded in (path, unquote(path)):
        status, body = await _raw(built, decoded)
        assert b"canary" not in body
        assert b"root:" not in body
        assert status == 404, (decoded, body)
        assert b'"error"' in body


async def test_a_new_build_is_served_without_a_restart(built: Built, tmp_path: Path) -> None:
    async with built.client() as client:
        await client.get("/")
        index = tmp_path / "pages" / "index.html"
        index.write_text("<p>new</p>")
        os.utime(index, (1, 1))
        assert (await client.get("/")).text == "<p>new</p>"


async def test_without_pages_the_server_says_what_to_do(tmp_path: Path) -> None:
    built = Built(tmp_path)
    async with built.client() as client:
        answer = await client.get("/")
        assert answer.status_code == 503
        assert "npm run build" in answer.text
        assert (await client.get("/healthz")).status_code == 200
    built.close()


async def _raw(built: Built, path: str) -> tuple[int, bytes]:
    """A request with exactly this path, as no client would send it."""
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost:8000"), (b"accept-encoding", b"identity")],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "http_version": "1.1",
    }
    await built.site(scope, receive, send)
    return status, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
