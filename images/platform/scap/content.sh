#!/usr/bin/env bash
# Prints the path of the SCAP Security Guide's content for RHEL 9: one file hardens and scans.
#
# If the catalog has `scap-security-guide`, that release archive is downloaded, verified by its SHA-256 and unpacked into
# the folder of the first argument. Otherwise Red Hat's package is installed, whose signature dnf verifies. If
# settings.json names a SHA-256, any other content is refused. Further arguments are options for dnf.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
into=${1:?which folder}
content=/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml
python=/usr/libexec/platform-python
[[ -x $python ]] || python=python3

"$BASH" "$platform/platform/sources/sources.sh" catalog "$platform/catalog.json" "$into/catalog.json" >/dev/null
found=$("$python" - "$into/catalog.json" <<'END'
import json, sys

for entry in json.load(open(sys.argv[1], encoding="utf-8"))["entries"]:
    if entry["id"] == "scap-security-guide":
        print(entry["url"], entry["sha256"])
END
)
if [[ -n $found ]]; then
  read -r url digest <<<"$found"
  curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --max-time 600 --retry 3 \
    --output "$into/guide.zip" -- "$url"
  printf '%s  %s\n' "$digest" "$into/guide.zip" | sha256sum --check --status
  content=$("$python" - "$into" <<'END'
import pathlib, sys, zipfile

into = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(into / "guide.zip") as archive:
    (name,) = [each for each in archive.namelist() if each.rsplit("/", 1)[-1] == "ssg-rhel9-ds.xml"]
    (into / "ssg-rhel9-ds.xml").write_bytes(archive.read(name))
print(into / "ssg-rhel9-ds.xml")
END
)
else
  dnf "${@:2}" --assumeyes --quiet --setopt=install_weak_deps=False install scap-security-guide >&2
fi

settings=$platform/platform/scap/settings.json
pinned=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["sha256"] or "")' "$settings")
if [[ -n $pinned ]]; then
  printf '%s  %s\n' "$pinned" "$content" | sha256sum --check --status || {
    echo "scap: $content is not the content that settings.json pins ($pinned)" >&2
    exit 1
  }
else
  echo "scap: settings.json pins no content; this is what Red Hat's repository or the catalog has" >&2
fi
printf '%s\n' "$content"
