#!/usr/bin/env bash
# ours.sh daemon|sample|builder|demo... compiles programs of this repository as it stands, all by one `go build`, and prints the path of
# each, in order.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

out=$cache/build/ours

compile() {
	cd "$root"
	go build -v -ldflags "-s -w -X main.version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)" -o "$out.new/" "$@"
}

main() {
	local name packages=()
	for name in "$@"; do
		case $name in
		daemon) packages+=(./cmd/daemon) ;;
		sample | builder | demo) packages+=("./e2e/$name") ;;
		*) die "ours.sh: unknown program \"$name\": want daemon, sample, builder or demo" ;;
		esac
	done
	mkdir -p "$out" "$out.new"
	step "compile $*" compile "${packages[@]}"
	for name in "$@"; do mv "$out.new/$name" "$out/$name"; done
}

go_flags
locked ours main "$@"
for name in "$@"; do echo "$out/$name"; done
