"""Which tools of the catalog one stage of a build needs: those that the image names, and those of the platform's steps.

A build takes each file from the factory's own storage, by its SHA-256. This module must not know where that is, or
which files were admitted.
"""

from collections.abc import Iterable, Mapping

from pipeline_core.domain.definitions import Architecture

CatalogTool = tuple[str, str, str]  # its id, its version and the SHA-256 of its file

GUIDE = "scap-security-guide"  # hardens a base and scans, if the catalog has it; else a package does
GOSS: Mapping[Architecture, str] = {Architecture.X64: "goss", Architecture.ARM64: "goss-arm64"}

_NAMED = 5  # tools that a message names


def of_build(*, is_root: bool) -> tuple[str, ...]:
    """The ids of what the platform's steps use where an image is built. Only a base is hardened."""
    return (GUIDE,) if is_root else ()


def of_verify(architecture: Architecture, *, is_scanned: bool) -> tuple[str, ...]:
    """The ids of what the platform's steps use where a version is verified."""
    return (GOSS[architecture], *((GUIDE,) if is_scanned else ()))


def why_not(missing: Iterable[CatalogTool]) -> str:
    """Why nothing is built without these tools, and who helps. One line, however many there are."""
    return f"{_said_of(missing)} not admitted: SecOps runs `imagefactory catalog submit DIR`"


def why_ended(refused: Iterable[CatalogTool]) -> str:
    """Why a version that these tools are in, or have tested, is not published. One line."""
    return f"{_said_of(refused)} refused by now, and the build has used it: SecOps pins another file"


def _said_of(given: Iterable[CatalogTool]) -> str:
    tools = sorted(set(given))
    named = ", ".join(f"{tool} {version} ({sha256[:12]})" for tool, version, sha256 in tools[:_NAMED])
    more = f" and {len(tools) - _NAMED} more" if len(tools) > _NAMED else ""
    what = "the file of" if len(tools) == 1 else "the files of"
    are = "is" if len(tools) == 1 else "are"
    return f"{what} {named}{more} {are}"
