from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile

import pytest

from chrominance.models.fetch import DIGESTS, FetchError, fetch
from chrominance.models.published import Published

DATA = bytes(range(256)) * 9000  # 2.3 MB: several reads
DIGEST = hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; ``cut``: after so many bytes of an answer the connection ends, once."""

    files: dict[str, bytes]
    cut: int | None = None
    etag: str | None = '"one"'
    ranges = True
    asked: list[tuple[str, str | None]]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append((self.path, wanted))
        data = server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        end = len(data)
        if server.cut is not None:
            end, server.cut = start + server.cut, None
        self.wfile.write(data[start:end])
        if end < len(data):
            self.close_connection = True


@pytest.fixture
def server():
    made = Server(("127.0.0.1", 0), Handler)
    made.files, made.asked = {"/model.pth": DATA}, []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def entry(server):
    def make(*paths, **given):
        addresses = tuple(f"http://127.0.0.1:{server.server_port}{path}" for path in paths or ("/model.pth",))
        facts = {"sha256": DIGEST, "size": len(DATA), "exact_size": True} | given
        return Published(
            "model", "any", "A model", "model.pth", addresses, "MIT", "MIT", "state dict", **facts
        )

    return make


def test_a_file_is_fetched_once(server, entry, tmp_path):
    seen = []
    folder = tmp_path / "models"
    done = fetch(entry(), folder, lambda there, total: seen.append((there, total)))
    assert done.new and not done.recorded and done.sha256 == DIGEST
    assert done.path.read_bytes() == DATA and [one.name for one in folder.iterdir()] == ["model.pth"]
    assert seen[-1] == (len(DATA), len(DATA)) and len(seen) > 2
    again = fetch(entry(), folder)
    assert not again.new and len(server.asked) == 1


def test_an_interrupted_download_goes_on(server, entry, tmp_path):
    server.cut = 1_500_000
    with pytest.raises(FetchError, match="after 1500000 of 2304000 bytes"):
        fetch(entry(), tmp_path)
    assert not (tmp_path / "model.pth").exists()
    assert fetch(entry(), tmp_path).path.read_bytes() == DATA
    assert server.asked[1] == ("/model.pth", "bytes=1500000-")
    assert [one.name for one in tmp_path.iterdir()] == ["model.pth"]


@pytest.mark.parametrize("change", ["etag", "no mark", "no ranges"])
def test_a_changed_file_or_a_plain_server_begins_anew(server, entry, tmp_path, change):
    if change == "no mark":
        server.etag = None
    server.cut = 1000
    with pytest.raises(FetchError):
        fetch(entry(), tmp_path)
    if change == "etag":
        server.etag = '"two"'
    server.ranges = change != "no ranges"
    assert fetch(entry(), tmp_path).path.read_bytes() == DATA


def test_the_next_address_is_tried(server, entry, tmp_path):
    assert fetch(entry("/absent.pth", "/model.pth"), tmp_path).new
    assert [path for path, _ in server.asked] == ["/absent.pth", "/model.pth"]
    with pytest.raises(FetchError, match=r"could not be fetched .*absent\.pth: Not Found"):
        fetch(entry("/absent.pth"), tmp_path / "other")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sha256": "0" * 64}, r"should have the SHA-256 000.* \(published\), got"),
        ({"size": 12}, "should have 12 bytes, got 2304000"),
    ],
)
def test_another_file_is_removed(server, entry, tmp_path, given, message):
    with pytest.raises(FetchError, match=message):
        fetch(entry(**given), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_digest_is_recorded_and_compared(server, entry, tmp_path):
    done = fetch(entry(sha256=None), tmp_path)
    assert done.recorded
    assert json.loads((tmp_path / DIGESTS).read_text())["model.pth"] == DIGEST
    done.path.unlink()
    server.files["/model.pth"] = DATA[::-1]
    with pytest.raises(FetchError, match="recorded at the first time"):
        fetch(entry(sha256=None), tmp_path)
    # What lies there already is never removed.
    done.path.write_bytes(DATA[:-1])
    with pytest.raises(FetchError, match="should have 2304000 bytes"):
        fetch(entry(sha256=None), tmp_path)
    assert done.path.exists()


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return file.getvalue()


def test_an_archive_is_unpacked(server, entry, tmp_path):
    server.files["/model.pth"] = archive(**{"data/a.pth": b"a", "checkpoints/b.pth": b"b"})
    given = {"sha256": None, "exact_size": False, "saved_as": "all.zip", "inside": "checkpoints/b.pth"}
    fetch(entry(**given), tmp_path)
    assert (tmp_path / "all" / "checkpoints" / "b.pth").read_bytes() == b"b"
    assert (tmp_path / "all" / "data" / "a.pth").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("data", "message"),
    [(archive(**{"../evil.pth": b"x"}), "leads out of it"), (b"no archive", "damaged archive")],
)
def test_a_bad_archive_leaves_nothing_unpacked(server, entry, tmp_path, data, message):
    server.files["/model.pth"] = data
    given = {"sha256": None, "exact_size": False, "saved_as": "all.zip", "inside": "b.pth"}
    with pytest.raises(FetchError, match=message):
        fetch(entry(**given), tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.zip", DIGESTS]


def test_what_only_people_can_fetch(tmp_path):
    entry = Published(
        "by-hand", "any", "x", "x.pth", (), "MIT", "MIT", "state dict", page="https://example.org/x"
    )
    with pytest.raises(FetchError, match=r"by hand, from https://example\.org/x: put x\.pth into"):
        fetch(entry, tmp_path)
