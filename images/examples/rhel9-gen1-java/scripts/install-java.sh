#!/usr/bin/env bash
# Installs OpenJDK in the feature release that the definition names.
set -euo pipefail

package="java-${JAVA_VERSION:?the definition sets JAVA_VERSION, for example 21}-openjdk-headless"
dnf --assumeyes --setopt=install_weak_deps=False install "$package"

# The check: it runs.
java -version
