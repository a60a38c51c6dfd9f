#!/usr/bin/env bash
# cold.sh runs `make demo` as on a new machine and prints what each step took: no module is there, no compiled package, no program, no
# image. All of that comes into a scratch folder, with a Docker engine of its own; the user's caches, engine and cluster stay as they
# are. What stays warm are Debian's packages, where they are installed, and the machine's Go. It wants root on Debian, for the engine.
#
#   EPILOGUE_COLD=DIR    the scratch folder; it is kept, and a second run goes on there. Without: a new one, removed at the end
#   EPILOGUE_BREAK=yes   kills the run without warning at three points, and has it typed again each time
#   CI=true              then runs .ci/run with what is there by then
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=${EPILOGUE_COLD:-$(mktemp -d /var/tmp/epilogue-cold.XXXXXX)}
mkdir -p "$scratch/home"
export EPILOGUE_TIMES=$scratch/times
: >"$EPILOGUE_TIMES"

# as_new COMMAND... runs it with nothing of the user's but PATH, proxies and the choice of module proxy.
as_new() {
	env -u GOCACHE -u GOMODCACHE -u GOFLAGS -u EPILOGUE_CACHE -u DOCKER_HOST -u KUBECONFIG \
		HOME="$scratch/home" XDG_CACHE_HOME="$scratch/cache" GOENV="$(go env GOENV)" GOPATH="$scratch/go" \
		EPILOGUE_ENGINE="$scratch/engine" EPILOGUE_TIMES="$EPILOGUE_TIMES" "$@"
}

# processors prints what all processors have worked so far: seconds in user mode and in the kernel.
processors() { awk '/^cpu / { printf "%.0f %.0f\n", ($2 + $3) / 100, ($4 + $7 + $8) / 100 }' /proc/stat; }

# measured NAME COMMAND... prints, behind what the command prints, a table of its steps.
measured() {
	local name=$1 began=$EPOCHREALTIME before after status=0
	shift
	before=($(processors))
	"$@" || status=$?
	after=($(processors))
	printf '\n%-70s %8s  %s\n' "step" "clock, s" "its own processes (user, kernel)"
	awk -F '\t' '{ printf "%-70s %8s  %s\n", substr($1, 1, 70), $2, $3 }' "$EPILOGUE_TIMES"
	printf '%s: %.0f s; all processors: %d s in user mode, %d s in the kernel\n\n' "$name" \
		"$(awk "BEGIN { print $EPOCHREALTIME - $began }")" $((after[0] - before[0])) $((after[1] - before[1]))
	: >"$EPILOGUE_TIMES"
	return "$status"
}

# broken_off PATTERN has a run killed, all processes of its session at once, when a step of that name has begun.
broken_off() {
	local log=$scratch/broken.log run
	: >"$log"
	as_new setsid make demo >"$log" 2>&1 </dev/null &
	run=$!
	until grep -q "$1" "$log"; do
		kill -0 "$run" 2>/dev/null || { cat "$log" >&2 && echo "cold.sh: the run ended before \"$1\"" >&2 && return 1; }
		read -rt 0.2 <> <(:) || true
	done
	read -rt 3 <> <(:) || true # into the step
	pkill -KILL -s "$run"
	wait "$run" 2>/dev/null || true
	tail -n 1 "$log"
	echo "--- killed in \"$1\"; typed again"
}

away() {
	as_new "$PWD/e2e/cluster/down.sh" || true
	[ ! -f "$scratch/engine/docker.pid" ] || kill "$(cat "$scratch/engine/docker.pid")" || true
	[ -z "${EPILOGUE_COLD:-}" ] || return 0
	while [ -f "$scratch/engine/docker.pid" ]; do read -rt 0.2 <> <(:) || true; done
	umount "$scratch"/engine/data/overlay2/*/merged "$scratch"/engine/run/netns/* 2>/dev/null || true
	chmod -R u+w "$scratch" && rm -rf "$scratch"
}
trap away EXIT

if [ -n "${EPILOGUE_BREAK:-}" ]; then
	for step in "build kube-apiserver" "put the images into the node" "create the cluster"; do broken_off "$step"; done
fi
measured "make demo" as_new make demo
[ -z "${CI:-}" ] || measured ".ci/run, on top of that" as_new bash .ci/run
