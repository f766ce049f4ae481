"""Large files only a few at a time, and uploads for a day at most."""

import io
import os
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from hetmoe.demo import budget, page
from hetmoe.demo.budget import room_for
from hetmoe.demo.classify import encode
from hetmoe.demo.compare import control
from hetmoe.encoding import InputError
from tests.conftest import free_port, started
from tests.media import png

LARGE, MEDIUM, SMALL = (png(Image.new("RGB", (side, side)), compress_level=1) for side in (4000, 2500, 40))


def test_large_files_wait_for_each_other_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PATIENCE", 0.05)
    with room_for("picture", LARGE):
        with pytest.raises(InputError, match="Please try again"), room_for("digit", LARGE):
            pass
        with room_for("picture", MEDIUM), pytest.raises(InputError), room_for("picture", MEDIUM):
            pass
        with room_for("picture", SMALL):
            pass
    with pytest.raises(ZeroDivisionError), room_for("picture", LARGE):
        raise ZeroDivisionError  # gives way to the next all the same
    with room_for("picture", LARGE):
        pass


def test_only_a_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' threads are free for predictions."""
    monkeypatch.setattr(budget, "PATIENCE", 60)

    def opened(_: int) -> bool:
        try:
            with room_for("picture", LARGE):
                return True
        except InputError:
            refused.release()
            return False

    refused = threading.Semaphore(0)
    with ThreadPoolExecutor(20) as pool:
        with room_for("picture", LARGE):
            asked = [pool.submit(opened, i) for i in range(20)]
            for _ in range(16):
                assert refused.acquire(timeout=30)  # at once
        assert sum(one.result() for one in asked) == 4


def test_a_file_is_decoded_as_what_its_room_was_reckoned_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one is a grey TIFF of one pixel, and in the eyes of another of Pillow's readers an IM of nine megapixels."""
    words = b": a\r\nImage type: L 16 image\r\nImage size (x*y): 3000*3000\r\n\0\x1a"
    start = 8 + len(words)
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: start + 200, 277: 1, 278: 1, 279: 1}
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags.items())
    pixel = bytes([51])
    file = b"II*\0" + struct.pack("<I", start) + words + directory.ljust(200, b"\0") + pixel + bytes(2 * 3000 * 3000)
    Image.init()
    monkeypatch.setattr(Image, "ID", ["IM", *(name for name in Image.ID if name != "IM")])
    assert Image.open(io.BytesIO(file)).size == (3000, 3000)
    assert encode("picture", file, "frontier")["spatial"] == pytest.approx(0.2)


def test_what_a_killed_server_has_left_is_deleted_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = tmp_path / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    files = [uploads / name / "a.png" for name in ("old", "new")]
    for path in files:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
    os.utime(files[0], (time.time() - 25 * 3600,) * 2)
    with started(["app.py"], tmp_path, free_port()):
        assert [path.exists() for path in files] == [False, True]


def test_uploads_are_deleted_after_a_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of 24 hours, which last 2 seconds here."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(page, "HOUR", 2 / 24)
    built = page.build(page.load_predictors(), control())
    built.launch(prevent_thread_lock=True, quiet=True)
    try:
        files = {"files": ("a.png", b"mine")}
        (path,) = httpx.post(f"{built.local_url}gradio_api/upload", files=files, timeout=30).json()
        assert Path(path).read_bytes() == b"mine"
        deadline = time.monotonic() + 30
        while Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not Path(path).exists()
    finally:
        built.close()
