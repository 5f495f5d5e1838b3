#!/usr/bin/env bash
# Report in one line what this machine needs for set-up: `tools/need.sh python PROGRAM`, `tools/need.sh node`.
set -euo pipefail

lack() {
  echo "$*" >&2
  exit 1
}

case $1 in
  python)
    other="or name another one: make PYTHON=..."
    [ -n "$2" ] || lack "Python 3.11, 3.12 or 3.13 is needed, but none is on the PATH: install one, $other"
    "$2" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
      lack "$2 is not a Python 3.11, 3.12 or 3.13: install one, $other"
    "$2" -c 'import venv, ensurepip' 2>/dev/null ||
      lack "$2 cannot make virtual environments: install its venv module (Debian: python3-venv), $other"
    ;;
  node)
    command -v node >/dev/null || lack "Node.js 20 or newer is needed for Azurite, but none is on the PATH: install it with npm"
    node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' ||
      lack "Node.js 20 or newer is needed for Azurite, but node is $(node --version): install a newer one with npm"
    command -v npm >/dev/null || lack "npm is needed for Azurite, but none is on the PATH: install it (Node.js includes it)"
    ;;
esac
