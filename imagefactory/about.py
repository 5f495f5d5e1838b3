"""The release of the command, from the metadata of its package. Without metadata it guesses nothing."""

from importlib import metadata
from pathlib import Path

_PACKAGE = "imagefactory"


def release() -> str:
    """One line for `--version`."""
    try:
        return f"{_PACKAGE} {metadata.version(_PACKAGE)}"
    except metadata.PackageNotFoundError:
        return f"{_PACKAGE}, not installed: it runs from the checkout {Path(__file__).parents[1]}"
