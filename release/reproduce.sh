#!/usr/bin/env bash
# reproduce.sh builds both programs twice from the last commit, in two clones at different places, with compiler caches of
# their own: nothing is shared but the module cache. It fails where the bytes differ, and prints their sums. Some minutes.
#
# GOOS and GOARCH are taken from the environment, as go takes them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
commit=$(git -C "$root" rev-parse HEAD)
version=$(git -C "$root" describe --tags --always)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# build PLACE prints the sums of what is built there.
build() {
	git clone -q "$root" "$work/$1"
	cd "$work/$1"
	git checkout -q "$commit"
	export GOCACHE=$work/cache CGO_ENABLED=0
	go build -trimpath -buildvcs=true -ldflags "-s -w -X main.version=$version" -o bin/ ./cmd/kubectl-epilogue
	go build -trimpath -buildvcs=true -ldflags "-s -w -X main.version=$version" -o bin/epilogue ./cmd/daemon
	sha256sum bin/*
	rm -rf "$GOCACHE"
}

first=$(build one)
second=$(build somewhere/else/altogether)
echo "$first"
[ "$first" = "$second" ] || { echo "the second build differs: $second" >&2; exit 1; }
