#!/usr/bin/env bash
# Prepares the system for SAP's software: what it needs of the system, and the profile of tuned. The image that Red Hat
# publishes for SAP has system roles and Ansible for the same; an image of ours leaves without Ansible.
set -euo pipefail

profile=${TUNED_PROFILE:?the definition sets TUNED_PROFILE, for example sap-netweaver}

# tuned-profiles-sap is in the repositories for SAP, which only images of these offers have.
dnf --assumeyes --setopt=install_weak_deps=False install libnsl nfs-utils psmisc tcsh tuned-profiles-sap uuidd
systemctl enable --now tuned uuidd.socket
# nfs-utils brings rpcbind, which would listen on port 111. NFS 4, as of /sapmnt on Azure Files, needs none.
systemctl mask --now rpcbind.socket rpcbind.service
tuned-adm profile "$profile"

for package in rhel-system-roles-sap rhel-system-roles ansible-core; do
  ! rpm --query --quiet "$package" || dnf --assumeyes remove "$package"
done

# The check: the profile is the chosen one at the next start too, and Ansible is gone.
[[ $(</etc/tuned/active_profile) == "$profile" ]]
! rpm --query --quiet ansible-core
