"""Where the files lie that come with the code: weights, measured results, pictures."""

from pathlib import Path

PACKAGE = Path(__file__).parent
# In a checkout they lie beside this package, once installed inside it: see [tool.setuptools] in pyproject.toml.
PROJECT = PACKAGE if (PACKAGE / "weights").is_dir() else PACKAGE.parent
