"""RPM's Python binding, as far as Ansible's package facts need it: read from the program."""

import subprocess
from collections.abc import Iterator

RPMTAG_NAME, RPMTAG_VERSION, RPMTAG_RELEASE, RPMTAG_EPOCH, RPMTAG_ARCH = _TAGS = (
    *("name", "version", "release"),
    *("epoch", "arch"),
)
_FORMAT = "%{NAME}\t%{VERSION}\t%{RELEASE}\t%{EPOCHNUM}\t%{ARCH}\n"


class TransactionSet:
    """Lists what is installed."""

    def dbMatch(self, *_: object) -> Iterator[dict[str, str]]:  # noqa: N802 - RPM's name
        """Each package with name, version, release, epoch and architecture."""
        done = subprocess.run(
            ["/usr/bin/rpm", "-qa", "--qf", _FORMAT], capture_output=True, check=True, text=True
        )
        for line in done.stdout.splitlines():
            yield dict(zip(_TAGS, line.split("\t"), strict=True))
