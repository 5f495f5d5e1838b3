"""Archives for tests, made member by member, also such as no honest tool makes."""

import gzip
import io
import tarfile
from collections.abc import Iterable

from pipeline_core.guard import detectors

FORMS = detectors.forms()


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for made, content in members:
            made.size = len(content)
            archive.addfile(made, io.BytesIO(content))
    return target.getvalue()


def bundle_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    return gzip.compress(tar_of(members, form), mtime=0)


def files(**contents: bytes) -> bytes:
    return bundle_of(*((member(name), content) for name, content in contents.items()))
