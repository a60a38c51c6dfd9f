#!/usr/bin/env bash
# vuln.sh [--if-reachable] [ARGUMENT...] looks for known vulnerabilities that the programs reach; the arguments are govulncheck's
# (./cmd/... without any). It fails if there is one, and if the database cannot be asked, unless --if-reachable is given: then
# it says that nothing was checked.
#
# The database is vuln.go.dev's, or the one that EPILOGUE_VULN_DB names: https://... of a mirror, or file:///... of a folder of
# OSV files, such as data/osv of a clone of https://go.googlesource.com/vulndb.
set -euo pipefail
cd "$(dirname "$0")/.."
database=${EPILOGUE_VULN_DB:-https://vuln.go.dev}
missing=1
if [ "${1:-}" = --if-reachable ]; then missing=0 && shift; fi
[ $# -gt 0 ] || set -- ./cmd/...

# unchecked REASON ends the script.
unchecked() {
	echo "vuln: known vulnerabilities were NOT looked for: $1. EPILOGUE_VULN_DB can name another database; see release/vuln.sh" >&2
	exit $missing
}

# reach asks before packages are loaded, which takes half a minute. What goes through a proxy is left to govulncheck.
reach() {
	local host port=443 said
	[ -z "${HTTPS_PROXY:-}${https_proxy:-}" ] || return 0
	host=${database#https://} host=${host%%/*}
	[[ $host != *:* ]] || port=${host##*:} host=${host%:*}
	said=$(LC_ALL=C timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1 | head -n 1) || {
		said=${said##*: }
		unchecked "$database cannot be reached: ${said:-no answer within 10 s}"
	}
}

case $database in
https://*) reach ;;
file://*) # govulncheck finds nothing in an empty folder, and says that there is nothing to find
	compgen -G "${database#file://}/*.json" >/dev/null || compgen -G "${database#file://}/index/*.json" >/dev/null ||
		unchecked "$database has no file *.json"
	;;
*) echo "vuln: EPILOGUE_VULN_DB is \"$database\", want https://... or file:///..." >&2 && exit 2 ;;
esac

govulncheck=$(e2e/cluster/binaries.sh govulncheck)
status=0
{ said=$("$govulncheck" -db "$database" "$@" 2>&1 >&3) || status=$?; } 3>&1
case $said in *"fetching vulnerabilities: "*) unchecked "${said##*fetching vulnerabilities: }" ;; esac
[ -z "$said" ] || echo "$said" >&2
exit $status
