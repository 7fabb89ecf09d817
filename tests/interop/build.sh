#!/usr/bin/env bash
# Builds the Go peer of the interoperability tests into target/interop/peer. It needs Debian's
# golang-go and golang-gvisor-gvisor-dev, whose sources stand under /usr/share/gocode, and no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/${CARGO_TARGET_DIR:-target}/interop
[[ ${CARGO_TARGET_DIR:-} = /* ]] && out=$CARGO_TARGET_DIR/interop
mkdir -p "$out"
export GOPATH=/usr/share/gocode GO111MODULE=off GOFLAGS=-buildvcs=false GOTOOLCHAIN=local
export GOCACHE=$out/go-cache CGO_ENABLED=0
cd tests/interop/go
go vet .
go build -o "$out/peer" .
