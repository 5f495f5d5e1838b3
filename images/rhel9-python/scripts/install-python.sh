#!/usr/bin/env bash
# Installs Python from Red Hat's repositories, in the version that the definition names (PYTHON_VERSION). `python3`
# stays the system's own, because dnf and cloud-init need it.
set -euo pipefail

version=${PYTHON_VERSION:?the definition sets PYTHON_VERSION, for example 3.12}

dnf --assumeyes --setopt=install_weak_deps=False install "python${version}" "python${version}-pip"

# The check: that version runs, and the system's Python was not replaced.
"python${version}" -c 'import ssl, sqlite3, venv'
[[ $(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') == 3.9 ]]
