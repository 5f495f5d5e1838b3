#!/usr/bin/env bash
# Set up one part of this checkout: `tools/set_up.sh python PYTHON VENV`, `tools/set_up.sh command VENV`,
# `tools/set_up.sh node`.
#
# Two set-ups at the same time wait for each other, where the machine has flock: the second finds the work done. Each
# part has a mark, which is newer than what the part is made from.
set -euo pipefail

readonly LOCK=.setup.lock
if command -v flock >/dev/null; then
  exec 9>>"$LOCK" # held until this shell ends
  if ! flock --nonblock 9; then
    echo "another set-up runs in this checkout: waiting for it" >&2
    flock 9
  fi
fi

# The mark exists, and no file that it was made from is newer.
is_done() {
  local mark=$1 each
  shift
  [ -e "$mark" ] || return 1
  for each in "$@"; do
    [ ! "$each" -nt "$mark" ] || return 1
  done
}

case $1 in
  python)
    python=$2 venv=$3
    ! is_done "$venv/.installed" requirements.txt requirements-dev.txt || exit 0
    tools/need.sh python "$python"
    echo "setting up $venv with $python"
    if [ -L "$venv" ]; then
      echo "$venv is a link, and is not set up from here: remove it, or run make setup where it leads"
      exit 1
    fi
    "$python" -m venv --clear "$venv"
    tools/install_lock.sh "$venv/bin/python" requirements.txt requirements-dev.txt
    touch "$venv/.installed"
    ;;
  command)
    # The imagefactory command of this checkout, editable. The backend that builds it is in the lock.
    venv=$2
    ! is_done "$venv/.command" "$venv/.installed" pyproject.toml || exit 0
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
      --no-build-isolation --editable .
    touch "$venv/.command"
    ;;
  node)
    ! is_done local/node_modules/.installed local/package.json local/package-lock.json || exit 0
    tools/need.sh node
    echo "setting up Azurite"
    if ! (cd local && npm ci --loglevel=error --no-audit --no-fund >/dev/null); then
      echo "Azurite could not be set up: npm failed, and says why above; it asks $(npm config get registry)" >&2
      exit 1
    fi
    touch local/node_modules/.installed
    ;;
esac
