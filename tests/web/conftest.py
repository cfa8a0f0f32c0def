"""A page with the pack's widgets in a real browser, against a stand-in for ComfyUI's page."""

from __future__ import annotations

import functools
import io
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "web"
SIZE = (200, 100)


def words() -> dict[str, Any]:
    """Return what ComfyUI's /i18n gives of the pack's main.json files."""
    files = (HERE.parents[1] / "locales").glob("*/main.json")
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


class _Handler(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        inside = urlparse(path).path.lstrip("/")
        if inside.startswith("extensions/chrominance/"):
            return str(WEB / inside.removeprefix("extensions/chrominance/"))
        return str(HERE / "page" / inside)

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        if asked.path == "/i18n":
            return self._send("application/json", json.dumps(words()).encode())
        if asked.path != "/view":
            return super().do_GET()
        name = parse_qs(asked.query)["filename"][0]
        if name == "gone.png":
            return self.send_error(404)
        color = {"red.png": "#ff0000", "blue.png": "#0000ff"}.get(name, "#808080")
        data = io.BytesIO()
        Image.new("RGB", SIZE, color).save(data, "PNG")
        return self._send("image/png", data.getvalue())

    def _send(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, with everything loaded; a test fails when a script of ours does."""
    page = browser.new_page(viewport={"width": 900, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}/index.html")
    page.wait_for_function("window.ready")
    yield page
    page.close()
    assert errors == []
