"""The examples under docs/examples do what they say."""

import runpy
from pathlib import Path

import httpx
import nbclient
import nbformat
from gradio_client import Client, handle_file

from hetmoe import EXPERTS
from hetmoe.demo.sources import examples
from tests.conftest import free_port, started
from tests.tiny import copy_of_data
from training.loop import Recipe

FOLDER = Path(__file__).parents[1] / "docs" / "examples"


def test_the_notebook_runs_from_top_to_bottom():
    notebook = nbformat.read(FOLDER / "tour.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept: they would grow old"
    root = {"metadata": {"path": str(FOLDER.parents[1])}}
    nbclient.NotebookClient(notebook, timeout=120, resources=root).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs) == 3
    assert any("ship" in output.get("text", "") for output in outputs)


def test_an_expert_of_ones_own_is_trained(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HETMOE_DATA", str(copy_of_data(tmp_path)))
    try:
        runpy.run_path(str(FOLDER / "custom_expert.py"))["main"](Recipe(epochs=1, steps=5))
    finally:
        EXPERTS.pop("haar", None)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["spatial", "temporal", "spectral", "relational"]
    assert all("haar" in line for line in printed)


def test_the_page_is_a_part_of_an_app_of_ones_own(tmp_path):
    port = free_port()
    command = ["-m", "uvicorn", "--app-dir", str(FOLDER), "mounted:app", "--port", str(port)]
    with started(command, tmp_path, port) as (url, _):
        assert httpx.get(url).json() == {"page": "/hetmoe"}
        page = httpx.get(f"{url}/hetmoe/")
        assert page.status_code == 200
        assert "content-security-policy" in page.headers
        assert f'<meta property="og:url" content="{url}/hetmoe/">' in page.text
        behind_a_proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hetmoe.example"}
        page = httpx.get(f"{url}/hetmoe/", headers=behind_a_proxy)
        assert '<meta property="og:url" content="https://hetmoe.example/hetmoe/">' in page.text
        file = handle_file(examples("digit")["7"])
        answer = Client(f"{url}/hetmoe", verbose=False).predict(file, api_name="/classify_digit")
    assert answer["label"] == "7"
