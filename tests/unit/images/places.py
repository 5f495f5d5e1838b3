"""Where the content of `images/` lies, and how to read it."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
IMAGES = CHECKOUT / "images"
NAMES = (
    *("rhel9-base", "rhel9-java", "rhel9-node", "rhel9-python", "rhel9-vault"),
    *("payments-api", "ml-worker"),
)


def scripts() -> list[Path]:
    """Every program for bash; what is sourced by a login shell is none."""
    return sorted(path for path in IMAGES.rglob("*.sh") if path.read_text("utf-8").startswith("#!"))


def shown(path: Path) -> str:
    """A path as a test's name shows it."""
    return str(path.relative_to(IMAGES))
