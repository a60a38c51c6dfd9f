#!/usr/bin/env bash
# tools.sh PROGRAM... makes sure that programs are there which the docs have users run: those of Debian packages, by apt-get
# where that is possible. It does nothing where all are there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

declare -A packages=([aws]=awscli [zstd]=zstd [jq]=jq [curl]=curl [npm]=npm)
missing=()
for program in "$@"; do
	have "$program" || missing+=("${packages[$program]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
can_apt || die "install ${missing[*]} (packages of Debian): tests run commands of the docs that need them"
locked tools step "install ${missing[*]}" apt_install "${missing[@]}"
