#!/usr/bin/env bash
# down.sh removes the cluster. The engine and the cache stay, so that up.sh has it back in seconds.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/engine.sh"

main() {
	rm -f "$cache/cluster-state"
	engine_answers || { say "no engine answers: there is no cluster to delete" && return; }
	"$("$here/binaries.sh" kind)" delete cluster --name "$cluster" --kubeconfig "$kubeconfig" 2>&1 | sed 's/^/    /' >&2
	rm -f "$kubeconfig"
}

locked cluster main
