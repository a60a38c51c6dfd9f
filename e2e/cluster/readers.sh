#!/usr/bin/env bash
# readers.sh NAME... prints where the programs are that a test reads log objects with, in order: python (one that has the module
# zstandard), browser, node, fzstd (a module of node). What is missing it gets: packages of Debian by apt-get, those of npm into
# $cache/bin, each whole or not at all, under a lock. It does nothing where all are there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

declare -A packages=([python]=python3-zstandard [browser]=chromium-headless-shell)

find_python() {
	local python
	for python in python3 /usr/bin/python3; do
		if "$python" -c 'import zstandard' 2>/dev/null; then
			command -v "$python"
			return
		fi
	done
	return 1
}

find_browser() {
	local browser
	for browser in chromium-headless-shell chromium chromium-browser google-chrome; do
		! command -v "$browser" || return 0
	done
	return 1
}

# The Node of the machine may be too old to know zstd, or so new that it reads more than others do.
find_node() { find_in_cache "node-$NODE_VERSION"; }
find_fzstd() { find_in_cache "fzstd-$FZSTD_VERSION.js"; }

find_in_cache() { [ -s "$cache/bin/$1" ] && echo "$cache/bin/$1"; }

# npm_source NAME sets package and file of a module, and out, where the file goes.
npm_source() {
	local machine
	case $1 in
	node)
		machine=$(uname -m)
		case $machine in x86_64) machine=x64 ;; aarch64) machine=arm64 ;; esac
		package=node-$(uname -s | tr '[:upper:]' '[:lower:]')-$machine@$NODE_VERSION file=bin/node out=$cache/bin/node-$NODE_VERSION
		;;
	fzstd) package=fzstd@$FZSTD_VERSION file=lib/index.js out=$cache/bin/fzstd-$FZSTD_VERSION.js ;;
	esac
}

# fetch gets one file of a package of npm.
fetch() {
	local dir=$cache/build/npm-$1 try
	for try in 1 2 3; do
		rm -rf "$dir"
		mkdir -p "$dir"
		! npm pack --silent --pack-destination "$dir" "$package" || break
		echo "attempt $try failed"
		sleep 5
	done
	tar -xzf "$dir"/*.tgz -C "$dir" "package/$file"
	mv "$dir/package/$file" "$out"
	rm -rf "$dir"
}

get() {
	"find_$1" >/dev/null || step "get $package" fetch "$1"
}

install=()
for name in "$@"; do
	case $name in
	python | browser) "find_$name" >/dev/null || install+=("${packages[$name]}") ;;
	node | fzstd)
		"find_$name" >/dev/null && continue
		"$here/tools.sh" npm
		npm_source "$name"
		locked "npm-$name" get "$name"
		;;
	*) die "readers.sh: unknown program \"$name\", want python, browser, node or fzstd" ;;
	esac
done
if [ ${#install[@]} -gt 0 ]; then
	can_apt || die "install ${install[*]} (packages of Debian): a test reads log objects with them"
	locked tools step "install ${install[*]}" apt_install "${install[@]}"
fi
for name in "$@"; do
	"find_$name" || die "readers.sh: $name is not there after it was installed"
done
