#!/usr/bin/env bash
# Starts sources.py, which says what it does, with the system's own Python and none of the image's modules.
set -euo pipefail

python=/usr/libexec/platform-python # a team may have put another `python3` first
[[ -x $python ]] || python=python3
exec "$python" -E -s -S -B "$(dirname -- "${BASH_SOURCE[0]}")/sources.py" "$@"
