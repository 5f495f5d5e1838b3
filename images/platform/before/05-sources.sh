#!/usr/bin/env bash
# Sets where this build gets packages from, and the minor release that a base stays on: platform/sources/settings.json.
# 82-sources.sh takes back what is only for the build.
set -euo pipefail

sources=${IMAGEFACTORY_PLATFORM:?}/platform/sources/sources.sh
system=${IMAGEFACTORY_SYSTEM:-} # a folder that stands for the machine, in tests
vendor=$system/etc/yum.repos.d/imagefactory-rhui-eus.repo
key=$system/etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release

"$BASH" "$sources" build

wanted=$("$BASH" "$sources" release "${IMAGEFACTORY_IMAGE:?}")
read -r pinned eus <<<"$wanted"
if [[ -z $pinned ]]; then
  echo "sources: ${IMAGEFACTORY_IMAGE} follows the newest minor release, or stays on its parent's"
  exit 0
fi

# shellcheck source=/dev/null
release=$(. "$system/etc/os-release" && printf '%s' "$VERSION_ID")
major=${release%%.*}
if [[ ${pinned%%.*} != "$major" || $(printf '%s\n' "$release" "$pinned" | sort --version-sort | tail --lines 1) != "$pinned" ]]; then
  echo "sources: ${IMAGEFACTORY_IMAGE} is RHEL $release and settings.json says $pinned: packages are never lowered; follow the Marketplace's image of $pinned" >&2
  exit 1
fi

# Azure's update servers have Extended Update Support in repositories of their own. The client package brings them and
# their certificate; its own repository needs none. Source: learn.microsoft.com, redhat-rhui, "RHEL EUS and
# version-locking RHEL VMs". A file is used instead of --config, with which dnf would forget its proxy. The key that
# verifies the new package may be a file of the old one, so a copy is used.
if [[ -n $eus ]] && ! rpm --query --quiet "rhui-azure-rhel$major-eus"; then
  [[ -s $key ]] || { echo "sources: $key is missing, which verifies the client package of EUS" >&2; exit 1; }
  copy=$(mktemp --tmpdir="${IMAGEFACTORY_ROOT:?}" rhui-key.XXXXXX)
  trap 'rm -f -- "$copy"' EXIT
  cp -- "$key" "$copy"
  chmod 0644 -- "$copy"
  dnf --assumeyes --disablerepo='*' remove "rhui-azure-rhel$major"
  cat >"$vendor" <<END
[rhui-microsoft-azure-rhel$major-eus]
name=Microsoft Azure RPMs for Red Hat Enterprise Linux $major (EUS)
baseurl=https://rhui4-1.microsoft.com/pulp/repos/unprotected/microsoft-azure-rhel$major-eus
enabled=1
gpgcheck=1
sslverify=1
gpgkey=file://$copy
END
  dnf --assumeyes --disablerepo='*' --enablerepo="rhui-microsoft-azure-rhel$major-eus" install "rhui-azure-rhel$major-eus"
  rm -f -- "$vendor"
fi
install -d -m 0755 "$system/etc/dnf/vars"
printf '%s\n' "$pinned" >"$system/etc/dnf/vars/releasever"

# The check: dnf itself says that it takes packages of this release.
[[ -z $eus ]] || rpm --query "rhui-azure-rhel$major-eus"
echo "sources: ${IMAGEFACTORY_IMAGE} stays on RHEL $(<"$system/etc/dnf/vars/releasever")"
