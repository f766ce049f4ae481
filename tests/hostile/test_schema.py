"""Schemathesis sends the app what its own OpenAPI document allows, and what it rules out."""

import subprocess
import sys
from pathlib import Path

from tests.hostile.conftest import Server

N = 20  # for each of seven operations, besides the limits of each field


def test_nothing_in_the_apps_own_schema_breaks_it(server: Server, tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", f"{server.api}/openapi.json", "--url", server.url]
    options = ["--checks", "not_a_server_error", "--max-examples", str(N), "--seed", "1", "--no-color"]
    logged = len(server.log)
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    print(done.stdout)  # for pytest -rP
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Traceback" not in server.log[logged:]
    assert server.show("picture", {"example": "ship"}).json()["data"][0]["inputs"]
