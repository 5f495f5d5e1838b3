#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 7 of 13: ansible: playbook.yml'
export ANSIBLE_LOCAL_TEMP=/run/imagefactory/ansible
export ANSIBLE_NOCOLOR=1
export ANSIBLE_REMOTE_TEMP=/run/imagefactory/ansible
export ANSIBLE_RETRY_FILES_ENABLED=0
export ANSIBLE_ROLES_PATH=/run/imagefactory/bundle/roles:/run/imagefactory/platform/roles
cd -- /run/imagefactory/bundle
exec ansible-playbook --connection local --inventory localhost, -- playbook.yml
