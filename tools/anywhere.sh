#!/usr/bin/env bash
# Sets up a fresh clone where much is unusual, and uses the command there: a path with spaces and non-ASCII characters,
# no home to write to, LC_ALL=C, another time zone, umask 077 and, if it runs as root, a user who is not root.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
clone="$place/Prüf stand/image fäctory"

run=()
python=python3
if [ "$(id -u)" = 0 ]; then
  # Another user can read /usr, and often not the home in which this Python is.
  run=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  for each in python3.11 python3.12 python3.13; do
    if "${run[@]}" "/usr/bin/$each" -c "import venv, ensurepip" 2>/dev/null; then
      python=/usr/bin/$each
      break
    fi
  done
  [ "$python" != python3 ] || { echo "no Python under /usr/bin that another user can run: this user stays root"; run=(); }
fi

git clone --quiet . "$clone"
chmod 755 "$place"
[ ${#run[@]} = 0 ] || chown -R 65534:65534 "$place"
cd "$clone"
umask 077
there() { # command...: as that user, in that environment
  ${run[@]+"${run[@]}"} env -i PATH="$PATH" HOME=/nonexistent LC_ALL=C TZ=Asia/Kathmandu "$@"
}
there make --no-print-directory setup PYTHON="$python"
there .venv/bin/imagefactory --version
there .venv/bin/imagefactory validate images/rhel9-base
there .venv/bin/python -m pytest -q -p no:cacheprovider tests/unit/test_settings.py tests/unit/wire/test_bundle.py
echo "set up and used in $clone as user $(stat -c %U .)"
