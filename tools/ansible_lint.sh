#!/usr/bin/env bash
# Lints the Ansible content of images/ with the profile "production".
#
#   tools/ansible_lint.sh --install PYTHON   installs ansible-lint into .cache/ansible-lint, from tools/ansible-lint.txt
#   tools/ansible_lint.sh --find             exit status 0 if it is installed
#   tools/ansible_lint.sh                    lints; prints nothing if all is well
set -euo pipefail
cd "$(dirname "$0")/.."
home=$PWD/.cache/ansible-lint

case "${1:-}" in
--install)
  "${2:?which Python}" -m venv --clear "$home"
  tools/install_lock.sh "$home/bin/python" tools/ansible-lint.txt
  ;;
--find) [ -x "$home/bin/ansible-lint" ] ;;
*)
  # It starts ansible and ansible-galaxy by name, and keeps a cache in the home of its content.
  cd images
  PATH="$home/bin:$PATH" ANSIBLE_HOME="$home/content" ansible-lint --offline --nocolor -q --profile production \
    roles rhel9-vault/playbook.yml platform/stage-catalog.yml platform/roots/10-hardening.yml platform/roots/20-postdeploy.yml
  ;;
esac
