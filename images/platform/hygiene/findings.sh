#!/usr/bin/env bash
# Starts findings.py, which says what it prints, with the system's own Python and none of the image's modules.
set -euo pipefail

python=/usr/libexec/platform-python # a team may have put another `python3` first
[[ -x $python ]] || python=python3
here=$(dirname -- "${BASH_SOURCE[0]}")
only_build=$("$BASH" "$here/../sources/sources.sh" only-build)
exec "$python" -E -s -S -B "$here/findings.py" --only-build "$only_build" "$@"
