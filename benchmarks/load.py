"""How many visitors the page holds: `python -m benchmarks.load`, about two minutes.

Starts the page and calls /classify_picture over HTTP, in a session for each visitor, as gradio_client does. Client and
server share the machine; *CPU an answer* is the server's alone. A visitor asks again as soon as the answer has arrived
(a closed loop), and with `--upload` uploads the picture anew before. `--soak` looks for leaks instead: 20,000
predictions and 2,000 uploads by 64 visitors, and the server's memory after each twentieth. Needs requirements-dev.txt.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import psutil

from hetmoe.demo.sources import EXAMPLES
from tests.conftest import free_port, started

PICTURES = sorted(EXAMPLES.glob("cifar10-*.png"))
SOAK_PREDICTIONS, SOAK_UPLOADS, SOAK_VISITORS = 20_000, 2_000, 64
MEGABYTE = 2**20


async def upload(client: httpx.AsyncClient, picture: Path) -> dict[str, Any]:
    """The picture as Gradio's FileData, never twice the same file."""
    content = picture.read_bytes() + uuid4().bytes  # after the picture's end
    answer = await client.post("/gradio_api/upload", files={"files": (picture.name, content)})
    return {"path": answer.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}


async def classify(client: httpx.AsyncClient, file: dict[str, Any], session: str) -> None:
    """Asks and waits for the answer. Raises httpx.HTTPError, or RuntimeError if the answer is an error."""
    endpoint = "/gradio_api/call/classify_picture"
    question = {"data": [file, "heterogeneous", "frontier"], "session_hash": session}
    asked = await client.post(endpoint, json=question)
    answer = (await client.get(f"{endpoint}/{asked.raise_for_status().json()['event_id']}")).raise_for_status()
    if not answer.text.startswith("event: complete"):
        raise RuntimeError(answer.text)


async def visit(
    url: str, picture: Path, questions: Iterator[bool], latencies: list[float], errors: Counter[str]
) -> None:
    """Asks each question, which says whether to upload first; latencies are in seconds."""
    # A client for each visitor: one for all spends more time on choosing a connection than the server on answers.
    async with httpx.AsyncClient(base_url=url, timeout=120, verify=False) as client:
        file, session = None, uuid4().hex
        for is_new in questions:
            began = perf_counter()
            try:
                if is_new or file is None:
                    file = await upload(client, picture)
                await classify(client, file, session)
                latencies.append(perf_counter() - began)
            except (httpx.HTTPError, RuntimeError) as error:
                errors[repr(error)[:160]] += 1


async def crowd(
    url: str, visitors: int, questions: Iterator[bool], latencies: list[float], errors: Counter[str]
) -> None:
    """So many visitors at once, who share the questions."""
    pictures = (PICTURES[i % len(PICTURES)] for i in range(visitors))
    await asyncio.gather(*(visit(url, picture, questions, latencies, errors) for picture in pictures))


def until(seconds: float, is_new: bool) -> Iterator[bool]:
    """Questions for so many seconds from the first one."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        yield is_new


def soak(server: psutil.Process, latencies: list[float], errors: Counter[str]) -> Iterator[bool]:
    """All questions of the soak; prints the memory after each twentieth."""
    for i in range(SOAK_PREDICTIONS):
        if i % (SOAK_PREDICTIONS // 20) == 0:
            resident = server.memory_info().rss / MEGABYTE
            counts = f"{i:>8} asked {len(latencies):>8} answered {errors.total():>4} errors"
            print(f"{counts} {resident:>6.0f} MB", flush=True)
        yield i % (SOAK_PREDICTIONS // SOAK_UPLOADS) == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--seconds", type=float, default=20, help="for each number of visitors")
    parser.add_argument("--upload", action="store_true", help="upload before each question")
    parser.add_argument("--soak", action="store_true", help="20,000 predictions instead, and 2,000 uploads")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, started(["app.py"], Path(folder), free_port()) as (url, app):
        server = psutil.Process(app.pid)
        latencies: list[float] = []
        errors: Counter[str] = Counter()
        asyncio.run(crowd(url, 1, iter([False] * 20), [], Counter()))  # warm
        if options.soak:
            asyncio.run(crowd(url, SOAK_VISITORS, soak(server, latencies, errors), latencies, errors))
            print(f"in the end {len(latencies)} answered, {server.memory_info().rss / MEGABYTE:.0f} MB, {dict(errors)}")
            return
        print("visitors  per second   median   95th   99th percentile  errors  memory  CPU an answer", flush=True)
        for visitors in options.visitors:
            latencies.clear()
            errors.clear()
            began, worked = perf_counter(), sum(server.cpu_times()[:2])
            asyncio.run(crowd(url, visitors, until(options.seconds, options.upload), latencies, errors))
            rate = len(latencies) / (perf_counter() - began)
            median, late, last = np.percentile(latencies or [np.nan], (50, 95, 99))
            resident = server.memory_info().rss / MEGABYTE
            busy = 1000 * (sum(server.cpu_times()[:2]) - worked) / max(len(latencies), 1)
            print(
                f"{visitors:>8} {rate:>11.1f} {median:>7.2f} s {late:>5.2f} s {last:>14.2f} s"
                f" {errors.total():>7} {resident:>4.0f} MB {busy:>7.0f} ms",
                flush=True,
            )
            for error, count in errors.most_common(3):
                print(f"    {count} × {error}")


if __name__ == "__main__":
    main()
