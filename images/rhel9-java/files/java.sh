# shellcheck shell=sh
# Tools look for the JDK here. The link points to the installed release.
export JAVA_HOME=/usr/lib/jvm/jre
