#!/usr/bin/env bash
# Installs Ansible for the playbooks of the platform and of teams. They run in this guest with a local connection. If
# Ansible was not installed before, a note makes 80-hygiene-clean.sh remove it again.
set -euo pipefail

note=${IMAGEFACTORY_ROOT:?}/remove-build-tools

if ! rpm --query --quiet ansible-core; then
  dnf --assumeyes --setopt=install_weak_deps=False install ansible-core
  touch -- "$note"
fi

# The check: it runs.
ansible-playbook --version
