#!/usr/bin/env bash
# Prints the path of the SCAP Security Guide's content for RHEL 9: one file hardens and scans.
#
# If the catalog has `scap-security-guide`, that release archive, which the builder has sent from the factory's own
# storage, is verified by its SHA-256 and unpacked into the folder of the first argument. Otherwise Red Hat's package is
# installed, whose signature dnf verifies. If settings.json names a SHA-256 of the content, any other content is
# refused. Further arguments are options for dnf.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
into=${1:?which folder}
content=/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml
python=/usr/libexec/platform-python
[[ -x $python ]] || python=python3
settings=$platform/platform/scap/settings.json

digest=$("$python" - "$platform/catalog.json" <<'END'
import json, sys

entries = json.load(open(sys.argv[1], encoding="utf-8"))["entries"]
print("".join(each["sha256"] for each in entries if each["id"] == "scap-security-guide"))
END
)
pins=$("$python" -c 'import json, sys; print("yes" if json.load(open(sys.argv[1])).get("archive") else "")' "$settings")
if [[ -n $pins ]]; then # of an older release: without this, another content would take its place in silence
  echo "scap: settings.json has an archive: name it in catalog.json as scap-security-guide, by its SHA-256" >&2
  exit 1
fi
if [[ -n $digest ]]; then
  archive=${IMAGEFACTORY_TOOLS:?the builder is older than these platform steps}/$digest
  [[ -e $archive ]] || { echo "scap: the builder has not sent the guide's archive ($digest)" >&2; exit 1; }
  printf '%s  %s\n' "$digest" "$archive" | sha256sum --check --status || {
    echo "scap: the guide's archive is another one than the catalog pins ($digest)" >&2
    exit 1
  }
  content=$("$python" - "$archive" "$into" <<'END'
import pathlib, sys, zipfile

into = pathlib.Path(sys.argv[2])
with zipfile.ZipFile(sys.argv[1]) as archive:
    (name,) = [each for each in archive.namelist() if each.rsplit("/", 1)[-1] == "ssg-rhel9-ds.xml"]
    (into / "ssg-rhel9-ds.xml").write_bytes(archive.read(name))
print(into / "ssg-rhel9-ds.xml")
END
)
else
  dnf "${@:2}" --assumeyes --quiet --setopt=install_weak_deps=False install scap-security-guide >&2
fi

pinned=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["sha256"] or "")' "$settings")
if [[ -n $pinned ]]; then
  printf '%s  %s\n' "$pinned" "$content" | sha256sum --check --status || {
    echo "scap: $content is not the content that settings.json pins ($pinned)" >&2
    exit 1
  }
elif [[ -z $digest ]]; then
  echo "scap: nothing pins the content; this is what Red Hat's repository has" >&2
fi
printf '%s\n' "$content"
