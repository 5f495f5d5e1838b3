#!/usr/bin/env bash
# Ansible, for the playbooks of the platform and of teams: they run in this guest with a local connection. Where it
# was not there before, a note has 80-hygiene-clean.sh take it away again.
set -euo pipefail

note=${IMAGEFACTORY_ROOT:?}/remove-build-tools

if ! rpm --query --quiet ansible-core; then
  dnf --assumeyes --setopt=install_weak_deps=False install ansible-core
  touch -- "$note"
fi

# The check: it runs.
ansible-playbook --version
