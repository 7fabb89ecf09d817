#!/bin/bash -eu
# Builds what OSS-Fuzz builds.
exec bash -eu "$SRC/urpc/fuzz/oss-fuzz/build.sh"
