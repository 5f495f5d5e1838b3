"""A file of the made root: where it is, its mode, its text, and where that text is known from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFile:
    """A file as a package of RHEL 9 ships it, in the parts that rules read. `path` is absolute inside the root."""

    path: str
    text: str
    source: str
    mode: int = 0o644
