#!/usr/bin/env bash
# Makes a virtual environment with exactly the pinned libraries. pip refuses a file with another SHA-256.
set -euo pipefail

home=/opt/ml-worker

getent passwd ml-worker >/dev/null ||
  useradd --system --user-group --home-dir "$home" --no-create-home --shell /sbin/nologin ml-worker
python3.12 -m venv "$home/venv"
"$home/venv/bin/pip" install --no-cache-dir --require-hashes --only-binary :all: --requirement "$home/requirements.txt"
chown --recursive root:root "$home"

# The check: what is installed fits together and can be loaded.
"$home/venv/bin/pip" check
"$home/venv/bin/python" -c 'import numpy'
