#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 4 of 13: prepare'
rm -rf -- /run/imagefactory
install -d -m 0755 /run/imagefactory /run/imagefactory/results /run/imagefactory/tools
install -m 0644 -- /tmp/imagefactory-catalog.json /run/imagefactory/catalog.json
rm -f -- /tmp/imagefactory-catalog.json
printf '%s  %s\n' 3ff3efae89ba9851ebeaa50f935c189b8a004d238b281c8209c6389f13d501e9 /tmp/imagefactory-bundle.tar.gz | sha256sum --check --status
install -d -m 0755 /run/imagefactory/bundle
tar --extract --gzip --no-same-owner --file /tmp/imagefactory-bundle.tar.gz --directory /run/imagefactory/bundle
rm -f -- /tmp/imagefactory-bundle.tar.gz
printf '%s  %s\n' 7b6a82117667f69120367fbcc9a6d985d1aa0fa1446459b4020456fe423fcbb7 /tmp/imagefactory-platform.tar.gz | sha256sum --check --status
install -d -m 0755 /run/imagefactory/platform
tar --extract --gzip --no-same-owner --file /tmp/imagefactory-platform.tar.gz --directory /run/imagefactory/platform
rm -f -- /tmp/imagefactory-platform.tar.gz
needs=$(stat --format=%s -- /tmp/imagefactory-tool-5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379)
free=$(df --output=avail --block-size=1 /run/imagefactory/tools | tail -n 1 | tr -d ' ')
if [ "$free" -lt "$needs" ]; then
  echo "the file 5f164dc1737f of a tool needs $needs bytes in /run/imagefactory/tools, and $free are free" >&2
  exit 1
fi
install -m 0644 -- /tmp/imagefactory-tool-5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379 /run/imagefactory/tools/5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379
rm -f -- /tmp/imagefactory-tool-5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379
printf '%s  %s\n' 5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379 /run/imagefactory/tools/5f164dc1737f2776208f6093bfdb27e805ac6687b0d6b11e7c2cabcacb944379 | sha256sum --check --status || {
  echo 'the file 5f164dc1737f of a tool has another SHA-256 in the guest' >&2
  exit 1
}
