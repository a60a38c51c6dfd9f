#!/usr/bin/env bash
# aligned.sh [--repair] holds the modules of our programs against those that programs/go.mod chooses: a package is compiled once for
# both only where its version is the same, and so are all that it imports. With --repair go.mod takes over what is newer there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

modules() {
	(cd "$1" && go list -mod=mod -deps -f '{{with .Module}}{{.Path}}@{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}{{end}}' \
		github.com/epilogue-dev/epilogue/{cmd/daemon,e2e/demo,e2e/sample,e2e/builder} | grep -v "^github.com/epilogue-dev/" | sort -u)
}

export GOWORK=off
differs=$(comm -23 <(modules "$here/programs") <(modules "$root"))
[ -n "$differs" ] || exit 0
[ "${1:-}" = --repair ] || die "go.mod is behind programs/go.mod, so that packages are compiled twice: run make update, or there go get of" $differs
cd "$root"
# shellcheck disable=SC2086 # a list
go get $differs
go mod tidy
