"""An assistant's client starts `hetmoe mcp` and calls its tools."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

import hetmoe
from hetmoe import Predictor
from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import FAMILIES
from hetmoe.inference import Prediction, default_checkpoint
from hetmoe.project import PROJECT
from tests.media import DIGITS, PICTURES, RECORDINGS

COMMAND = ["-m", "hetmoe", "mcp"]


def sentence(result: CallToolResult) -> str:
    """Of a call that has failed."""
    assert result.is_error
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def assert_answers(result: CallToolResult, expected: dict[str, Prediction]) -> None:
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content.keys() == expected.keys()
    for modality, prediction in expected.items():
        told: dict[str, Any] = result.structured_content[modality]
        whole = prediction.to_json()
        assert told["label"] == whole["label"]
        for part in ("probabilities", "routing_weights"):
            assert told[part] == pytest.approx(whole[part], abs=1e-4)
        assert told["experts"].keys() == whole["experts"].keys()


def run(conversation: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: where the browser tests have run before, the main one has Playwright's event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, conversation).result()


@pytest.mark.parametrize("mode", ["auto", "legacy"])  # today's protocol, and the one that assistants have long spoken
def test_an_assistant_classifies(mode: str) -> None:
    async def converse() -> None:
        server = StdioServerParameters(command=sys.executable, args=COMMAND, cwd=PROJECT)
        async with Client(server, mode=mode) as client:
            assert client.server_info is not None
            assert (client.server_info.name, client.server_info.version) == ("hetmoe", hetmoe.__version__)
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(tools) == ["classify_picture", "classify_digit", "classify_recording"]
            for tool in tools.values():
                assert tool.input_schema["required"] == ["path"]
                assert set(tool.input_schema["properties"]["configuration"]["enum"]) == set(CONFIGURATIONS)
                assert tuple(tool.input_schema["properties"]["family"]["enum"]) == FAMILIES
            frontier = Predictor.load(default_checkpoint("heterogeneous"), "cpu")
            for name, path, expected in (
                ("classify_picture", PICTURES[0], {"spatial": frontier.picture(PICTURES[0])}),
                ("classify_digit", DIGITS[0], {"relational": frontier.digit(DIGITS[0])}),
                ("classify_recording", RECORDINGS[0], frontier.recording_file(RECORDINGS[0])),
            ):
                assert_answers(await client.call_tool(name, {"path": str(path)}), expected)
            for name, modality in (("classify_picture", "spatial"), ("classify_recording", "spectral")):
                words = re.findall(r"\w+", tools[name].description or "")
                assert set(frontier.checkpoint.labels[modality]) <= set(words)
            hybrid = Predictor.load(default_checkpoint("hybrid", "replica"), "cpu")
            arguments = {"path": str(PICTURES[0]), "configuration": "hybrid", "family": "replica"}
            expected = {"spatial": hybrid.picture(PICTURES[0])}
            assert_answers(await client.call_tool("classify_picture", arguments), expected)

    run(converse())


def test_what_cannot_be_classified_gets_a_sentence_and_the_next_is_answered() -> None:
    async def converse() -> None:
        server = StdioServerParameters(command=sys.executable, args=COMMAND, cwd=PROJECT)
        async with Client(server) as client:
            for path in ("nowhere.png", str(RECORDINGS[0]), str(PROJECT), "http://localhost:1/picture.png"):
                told = sentence(await client.call_tool("classify_picture", {"path": path}))
                assert "picture" in told or "file" in told
                assert "Traceback" not in told
            for arguments in ({}, {"path": 5}, {"path": str(PICTURES[0]), "family": "third"}):
                assert (await client.call_tool("classify_picture", arguments)).is_error
            assert not (await client.call_tool("classify_picture", {"path": str(PICTURES[0])})).is_error

    run(converse())


def test_without_its_package_it_says_what_to_install() -> None:
    without = "import sys; sys.modules['mcp'] = None; from hetmoe.__main__ import main; sys.exit(main(['mcp']))"
    done = subprocess.run([sys.executable, "-c", without], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: this needs one more package, mcp: requirements-mcp.txt says which\n"
