#!/usr/bin/env bash
# Leaves one kernel in the image: the one that runs. A scanner and the list of packages would find the other ones too,
# with what was repaired since. Also the rescue image goes: it is a copy of the kernel that was installed first.
set -euo pipefail

boot=${IMAGEFACTORY_BOOT:-/boot}
modules=${IMAGEFACTORY_MODULES:-/usr/lib/modules}

running=$(uname --kernel-release)
next=$(grubby --default-kernel)
if [[ ${next##*/vmlinuz-} != "$running" ]]; then
  echo "kernels: $running runs, and the next start is with ${next##*/vmlinuz-}: the machine was not restarted" >&2
  exit 1
fi

# dnf keeps the newest and the running one, which are the same here. It fails where there is nothing to remove.
if (($(rpm --query kernel-core | wc --lines) > 1)); then
  dnf --assumeyes remove --oldinstallonly
fi
rm -f -- "$boot"/vmlinuz-0-rescue-* "$boot"/.vmlinuz-0-rescue-* "$boot"/initramfs-0-rescue-* "$boot"/loader/entries/*-0-rescue.conf
owns() { # Does a package own the folder, or one file in it? A driver's package often owns its files alone
  ! rpm --query --file --quiet "$1" || return 0
  local file
  while IFS= read -r -d '' file; do
    ! rpm --query --file --quiet "$file" || return 0
  done < <(find "$1" -type f -print0)
  return 1
}
for folder in "$modules"/*/; do
  # What depmod and dracut wrote for a kernel that is gone. What a package owns stays.
  [[ $folder == "$modules/$running/" ]] || owns "$folder" || rm -rf -- "$folder"
done

# The check: one kernel, by the list of packages and by what can be started.
installed=$(rpm --query --queryformat '%{VERSION}-%{RELEASE}.%{ARCH}\n' kernel-core)
startable=$(find "$boot" -maxdepth 1 -name 'vmlinuz-*' -printf '%f\n')
if [[ $installed != "$running" || $startable != "vmlinuz-$running" ]]; then
  printf 'kernels: %s runs, and these are left:\n%s\n%s\n' "$running" "$installed" "$startable" >&2
  exit 1
fi
