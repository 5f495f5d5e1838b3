#!/usr/bin/env bash
# The worker's account can compute with the pinned libraries, but cannot change them.
set -euo pipefail

as_worker() { setpriv --reuid ml-worker --regid ml-worker --init-groups -- "$@"; }

as_worker /opt/ml-worker/venv/bin/python - <<'PYTHON'
import numpy

assert numpy.linalg.det(numpy.array([[2.0, 0.0], [0.0, 3.0]])).round() == 6
PYTHON
if as_worker test -w /opt/ml-worker/venv; then
  echo "smoke: the worker can change its own libraries" >&2
  exit 1
fi
echo "smoke: the worker computes"
