#!/usr/bin/env bash
# Install locks into one Python and check the result. Every lock of this repository is installed by this script.
#
#   tools/install_lock.sh PYTHON LOCK... [-- PIP OPTION...]
#
# A lock is complete, so pip must not resolve anything. It installs what the lock names (--no-deps), by digest
# (--require-hashes), and builds nothing (--only-binary: a build would fetch its own tools, which no lock names).
# Without --no-deps, pip 23 and older looks for the newest release of a requirement with an extra, such as
# coverage[toml], and refuses the lock as soon as there is a newer one. `pip check` says whether the lock is complete.
set -euo pipefail

python=$1
shift
locks=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  locks+=(--requirement "$1")
  shift
done
options=("${@:2}")

# A pip.conf that installs into the user's folder would otherwise refuse a virtual environment.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
"$python" -m pip install --quiet --no-input --require-hashes --no-deps --only-binary :all: \
  "${locks[@]}" ${options[@]+"${options[@]}"}
case " ${options[*]-} " in
  *" --target "*) ;; # pip cannot check a folder
  *) "$python" -m pip check >/dev/null || "$python" -m pip check ;;
esac
