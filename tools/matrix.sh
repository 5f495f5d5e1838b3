#!/usr/bin/env bash
# Set-up and tests on each supported Python of this machine: `tools/matrix.sh TEST...`.
#
# Each Python has its own virtual environment under .matrix/. The Makefile's own rule makes it. MATRIX_SKIP=3.11
# leaves out a version that is tested elsewhere. Fails if one Python fails, or if there is none at all.
set -euo pipefail
cd "$(dirname "$0")/.."

candidates() { # version: where such a Python may be, the PATH first
  type -ap "python$1" || true
  ls -d "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions/$1".*/bin/"python$1" 2>/dev/null || true
  ls -d "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}/uv/python}"/cpython-"$1".*/bin/"python$1" 2>/dev/null || true
}

found() { # version: the first candidate that really has this version and can make a virtual environment
  local python
  while read -r python; do
    if "$python" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done < <(candidates "$1")
}

ran=0 failed=0
for version in 3.11 3.12 3.13; do
  if [ "$version" = "${MATRIX_SKIP:-}" ]; then
    echo "Python $version: left out (MATRIX_SKIP)"
    continue
  fi
  python=$(found "$version")
  if [ -z "$python" ]; then
    echo "Python $version: not found on this machine"
    continue
  fi
  echo "Python $version: $("$python" -c 'import platform; print(platform.python_version())'), $python"
  ran=$((ran + 1))
  started=$SECONDS
  if make --no-print-directory VENV=".matrix/$version" PYTHON="$python" ".matrix/$version/.command" &&
    echo "Python $version: set up in $((SECONDS - started)) s" &&
    ".matrix/$version/bin/python" -m pytest -q -n 2 --dist loadgroup "$@"; then
    echo "Python $version: passed, $((SECONDS - started)) s"
  else
    echo "Python $version: FAILED"
    failed=1
  fi
done
if [ "$ran" = 0 ] && [ -z "${MATRIX_SKIP:-}" ]; then
  echo "no Python 3.11, 3.12 or 3.13 was found"
  exit 1
fi
exit "$failed"
