#!/usr/bin/env bash
# A service can make a virtual environment of its own and use it.
set -euo pipefail

folder=$(mktemp --directory)
trap 'rm -rf -- "$folder"' EXIT
python3.12 -m venv "$folder/venv"
"$folder/venv/bin/python" -c 'import ssl; assert ssl.HAS_TLSv1_3'
echo "smoke: Python 3.12 runs"
