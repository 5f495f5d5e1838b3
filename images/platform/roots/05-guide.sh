#!/usr/bin/env bash
# Hardens a base by the SCAP Security Guide. oscap scans by SecOps' tailored profile and writes an Ansible playbook for
# the rules that do not pass. It runs here, before our own role, which has what the guide does not know of Azure.
#
# What is only needed for this is removed at the end. The verify stage scans by the same content and tailoring.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
settings=$platform/platform/scap/settings.json
python=/usr/libexec/platform-python
[[ -x $python ]] || python=python3
profile=${IMAGEFACTORY_HARDENING:-} # the base's own profile
profile=${profile##*_profile_}
if [[ -z $profile ]]; then
  profile=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["harden"] or "")' "$settings")
fi
if [[ -z $profile ]]; then
  echo "guide: settings.json names no profile, so only the role hardens"
  exit 0
fi
tailoring=$platform/platform/scap/tailoring-$profile.xml
[[ -s $tailoring ]] || { echo "guide: there is no $tailoring: make it from exceptions.json" >&2; exit 1; }

work=$(mktemp --directory)
trap 'rm -rf -- "$work"' EXIT
if "$BASH" "$platform/platform/fips/wanted.sh"; then
  "$python" "$platform/platform/fips/tailoring.py" "$tailoring" "$work/tailoring.xml"
  tailoring=$work/tailoring.xml
fi

# Generated playbooks use modules of ansible.posix and community.general. On RHEL 9 they come with rhc-worker-playbook.
added=()
for package in openscap-scanner scap-security-guide rhc-worker-playbook; do
  rpm --query --quiet "$package" || added+=("$package")
done
dnf --assumeyes --quiet --setopt=install_weak_deps=False install openscap-scanner rhc-worker-playbook
content=$("$BASH" "$platform/platform/scap/content.sh" "$work")

code=0
oscap xccdf eval --profile "$profile" --tailoring-file "$tailoring" --results "$work/before.xml" "$content" \
  >"$work/before.log" || code=$?
if ((code != 0 && code != 2)); then
  echo "guide: oscap ended with $code for the profile $profile" >&2
  exit 1
fi
oscap xccdf generate fix --fix-type ansible --result-id "" --tailoring-file "$tailoring" \
  --output "$work/guide.yml" "$work/before.xml"

# USER: some of the guide's tasks ask for it.
started=$SECONDS
USER=root ANSIBLE_NOCOLOR=1 ANSIBLE_PIPELINING=1 ANSIBLE_RETRY_FILES_ENABLED=0 \
  ANSIBLE_COLLECTIONS_PATH=/usr/share/rhc-worker-playbook/ansible/collections/ansible_collections \
  ansible-playbook --connection local --inventory localhost, -- "$work/guide.yml" >"$work/play.log" 2>&1 || {
  tail --lines 60 "$work/play.log" >&2
  echo "guide: the playbook of the guide failed" >&2
  exit 1
}
tail --lines 4 "$work/play.log"
echo "guide: hardened by $profile in $((SECONDS - started)) s"

if ((${#added[@]})); then
  dnf --assumeyes --quiet remove "${added[@]}"
fi

# The check: nothing that was only needed here is left.
for package in "${added[@]}"; do
  if rpm --query --quiet "$package"; then
    echo "guide: $package is still installed" >&2
    exit 1
  fi
done
