#!/usr/bin/env bash
# run.sh holds our Loki API against the real one: it builds Loki and logcli (some 20 minutes of CPU, once), has Loki answer the requests of
# the tests, keeps its answers in the tree, runs logcli as a client of ours, keeps its requests, and compares.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
mapfile -t programs < <(e2e/cluster/binaries.sh loki logcli)
work=$(mktemp -d)
loki=

stop() {
	[ -z "$loki" ] || { kill "$loki" && wait "$loki" || true; } 2>/dev/null
	loki=
}
trap 'stop; rm -rf "$work"' EXIT

# start LEVELS starts a Loki without a line; with LEVELS=true it finds out the level of each line.
start() {
	stop
	export LOKI_DIR=$work/$1 LOKI_LEVELS=$1 LOKI_PORT=$((20000 + RANDOM % 5000)) LOKI_GRPC_PORT=$((26000 + RANDOM % 5000))
	"${programs[0]}" -config.file="$here/loki.yaml" -config.expand-env=true >"$work/log" 2>&1 &
	loki=$!
	export EPILOGUE_LOKI=http://127.0.0.1:$LOKI_PORT
	for _ in $(seq 120); do
		kill -0 "$loki" 2>/dev/null || { tail "$work/log"; exit 1; }
		! curl -sf "$EPILOGUE_LOKI/ready" >/dev/null || return 0
		sleep 1
	done
	echo "Loki does not become ready: $(tail -n 3 "$work/log")" >&2
	exit 1
}

go test -count=1 -run 'OracleFiles' ./serve/loki/logql -update
start false
go test -tags oracle -count=1 -v -run TestRecordOracle ./serve/loki/logql
start true
EPILOGUE_LOGCLI=${programs[1]} go test -tags oracle -count=1 -v -run 'TestRecord|TestLogcli' ./serve/loki
go test -count=1 -run 'Oracle|AnswersAreLokis|Replayed' ./serve/loki/...
