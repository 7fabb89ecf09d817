#!/usr/bin/env bash
# build.sh [DIRECTORY]: builds the Go peer of the interoperability tests as DIRECTORY/peer, by
# default as target/interop/peer. It needs Debian's golang-go and golang-gvisor-gvisor-dev, whose
# sources are in /usr/share/gocode, and no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "${1:-target/interop}"
out=$(cd "${1:-target/interop}" && pwd)
export GOPATH=/usr/share/gocode GO111MODULE=off GOFLAGS=-buildvcs=false GOTOOLCHAIN=local
export GOCACHE=$out/go-cache CGO_ENABLED=0
cd tests/interop/go
go vet .
go build -o "$out/peer" .
