"""Unpacks a bundle that the guard has passed. Trusts that as little as possible: it checks again."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.guard import bundles
from pipeline_core.guard.secrets import Form


def unpack(content: bytes, into: Path, forms: Sequence[Form]) -> tuple[str, ...]:
    """Write the files of a bundle below the existing, empty folder `into`; their names, sorted.

    Raises PermanentError (policy) where the guard has any finding; nothing is written then.
    """
    findings = bundles.check_bundle(content, forms)
    if findings:
        text = "\n".join(map(str, findings))
        raise PermanentError(ErrorClass.POLICY, f"the bundle is refused and was not unpacked:\n{text}")
    if any(into.iterdir()):
        raise PermanentError(
            ErrorClass.POLICY, f"{into} is not empty: a bundle is unpacked into a new folder"
        )
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            archive.extractall(into, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise PermanentError(ErrorClass.POLICY, f"the bundle cannot be unpacked: {error}") from error
    return tuple(sorted(bundles.names_in(content)))
