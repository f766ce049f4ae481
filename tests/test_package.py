"""The package: one version, one list of requirements, and a wheel that works far from a checkout."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from email.parser import BytesParser
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

import hetmoe
from tests.conftest import serving
from tests.media import SAMPLES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What the wheel is made from.
SOURCE = ("hetmoe", "weights", "training/results", "docs/card.png", "pyproject.toml", "README.md", "LICENSE")
MODULES = {"pillow": "PIL"}  # what a distribution is imported as, where that is not its name


def pins(name: str) -> dict[str, str]:
    """The requirements in a file of the root, by name."""
    return dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / name).read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy: setuptools leaves its traces where it builds."""
    needed = PROJECT["build-system"]["requires"][0].partition(">=")[2]
    if int(version("setuptools").partition(".")[0]) < int(needed):
        pytest.skip(f"needs setuptools {needed}: pip install -r requirements-dev.txt")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*SOURCE, *(path.name for path in ROOT.glob("requirements*.txt"))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(target), str(source)], check=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that it is installed into; what it requires comes from the environment of the tests."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True)
    return target


def test_there_is_one_version() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert re.search(rf"^version: {re.escape(hetmoe.__version__)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    released = re.search(r"^## \[(\d.*?)\] – (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released and released[1] == hetmoe.__version__
    assert f"date-released: {released[2]}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_page_requires_what_it_imports_and_nothing_else() -> None:
    sources = [ROOT / "app.py", *(ROOT / "hetmoe").rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for name in pins("requirements.txt"):
        module = MODULES.get(name, name)
        assert re.search(rf'^\s*(import|from) {module}\b|files\("{module}"\)', text, re.MULTILINE), name
    for name in pins("requirements-training.txt"):
        assert not re.search(rf"^\s*(import|from) {name}\b", text, re.MULTILINE), name


def test_everything_is_pinned_once_and_is_what_is_installed() -> None:
    files = sorted(path.name for path in ROOT.glob("requirements*.txt"))
    names = [name for file in files for name in pins(file)]
    assert len(names) == len(set(names)) > 20
    for file in ("requirements.txt", "requirements-training.txt"):
        for name, pinned in pins(file).items():
            assert version(name).partition("+")[0] == pinned


def test_python_is_declared_as_far_as_tested() -> None:
    versions = [c for c in PROJECT["project"]["classifiers"] if c.startswith("Programming Language :: Python :: ")]
    assert f"Programming Language :: Python :: {sys.version_info.major}.{sys.version_info.minor}" in versions


def test_what_the_wheel_says_and_holds(wheel: Path) -> None:
    with ZipFile(wheel) as file:
        for part in ("hetmoe/", "weights/", "docs/card.png", "training/results/evidence.json"):
            for path in sorted(ROOT.glob(f"{part}**/*" if part.endswith("/") else part)):
                if path.is_file() and "__pycache__" not in path.parts:
                    name = path.relative_to(ROOT).as_posix()
                    assert file.read(name if part == "hetmoe/" else f"hetmoe/{name}") == path.read_bytes()
        assert "hetmoe/training/results/landscape.json" in file.namelist()
        assert not [name for name in file.namelist() if name.endswith((".csv", "figures/radar.png"))]
        folder = f"hetmoe-{hetmoe.__version__}.dist-info"
        metadata = BytesParser().parsebytes(file.read(f"{folder}/METADATA"))
        assert b"hetmoe = hetmoe.__main__:main" in file.read(f"{folder}/entry_points.txt")
    assert metadata["Version"] == hetmoe.__version__
    required = metadata.get_all("Requires-Dist")
    assert required is not None
    assert {r for r in required if ";" not in r} == {f"{n}=={v}" for n, v in pins("requirements.txt").items()}
    for extra, files in {
        "training": ["requirements-training.txt"],
        "extras": ["requirements-extras.txt"],
        "mcp": ["requirements-mcp.txt"],
        "dev": [f"requirements-{part}.txt" for part in ("training", "extras", "mcp", "checks")],
    }.items():
        wanted = {f'{n}=={v}; extra == "{extra}"' for file in files for n, v in pins(file).items()}
        assert {r for r in required if r.endswith(f'extra == "{extra}"')} == wanted


def test_installed_it_predicts_anywhere(installed: Path, tmp_path: Path) -> None:
    digit = next(iter(sorted(SAMPLES.glob("mnist-*.png"))))
    command = [str(installed / "bin" / "hetmoe"), "predict", str(digit), "--as", "digit"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"relational: {digit.stem[-1]}\n")


def test_installed_it_serves_the_page(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with serving(["-P", "-m", "hetmoe", "demo"], tmp_path) as url:
        page = httpx.get(url).text
        card = re.search(r'<meta property="og:image" content="(.*?)"', page)
        assert card and str(installed) in card[1]
        assert httpx.get(card[1]).content == (ROOT / "docs" / "card.png").read_bytes()
