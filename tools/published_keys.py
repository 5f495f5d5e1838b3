"""Lists the private keys of public source trees by digest: `python -m tools.published_keys FOLDER...`.

Its lines are for `images/platform/hygiene/scanner/secrets/published.py`. Name only folders that everybody can download
from their publisher: a key that is listed is never a finding again, in any image.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_GUEST = Path(__file__).parents[1] / "images" / "platform" / "hygiene"


def digests(folders: Iterable[Path]) -> Iterator[str]:
    """SHA-256 of the decoded body of each private key in the files, once each, in order."""
    sys.dont_write_bytecode = True  # the folder is packed as it is
    sys.path.insert(0, str(_GUEST))
    from scanner.secrets import keys  # noqa: PLC0415 - the guest's own package; it is on no path before

    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    yield from sorted({key.body for path in files for key in keys.find_keys(path.read_bytes())})


def main() -> None:
    """Print one line for each key."""
    for digest in digests(map(Path, sys.argv[1:])):
        print(f'        "{digest}",')


if __name__ == "__main__":
    main()
