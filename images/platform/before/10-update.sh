#!/usr/bin/env bash
# Installs all updates that Red Hat has published. This machine is not restarted. So the new kernel runs from the first
# boot of the finished image.
set -euo pipefail

dnf --assumeyes --refresh upgrade

# The check: nothing is left to update. Otherwise dnf ends with 100.
dnf --quiet check-upgrade
