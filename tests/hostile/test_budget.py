"""Large files one at a time, and uploads for a day at most."""

import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from hetmoe.demo import budget, page
from hetmoe.demo.budget import room_for
from hetmoe.demo.compare import control
from hetmoe.encoding import InputError
from tests.media import png


def test_large_files_wait_for_each_other_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PATIENCE", 0.05)
    large, small = (png(Image.new("RGB", (side, side)), compress_level=1) for side in (4000, 40))
    with room_for("picture", large):
        with pytest.raises(InputError, match="Please try again"), room_for("digit", large):
            pass
        with room_for("picture", small):
            pass
    with pytest.raises(ZeroDivisionError), room_for("picture", large):
        raise ZeroDivisionError  # gives way to the next all the same
    with room_for("picture", large):
        pass


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
