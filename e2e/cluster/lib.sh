# shellcheck shell=bash disable=SC2034
# Shared by the scripts in this folder: where the cache is, how progress is shown, how one run keeps out of another's way.
# Sourced, never run. Progress goes to stderr, so that stdout stays free for what a script is asked to print.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${EPILOGUE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/epilogue}
logs=$cache/log
cluster=epilogue
node=$cluster-control-plane
kubeconfig=$cache/kubeconfig
# shellcheck source=versions.env
. "$here/versions.env"
mkdir -p "$cache/bin" "$cache/lock" "$cache/build" "$logs"
export started_at=${started_at:-$(date +%s)}

say() { printf '[%4ds] %s\n' "$(($(date +%s) - started_at))" "$*" >&2; }

# die ends the script with one line that says what to do about it.
die() {
	say "error: $*"
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# step NAME COMMAND... runs a command with its output in a log file. It says when it starts and ends, every 30 s that it
# is still alive, and on failure where the log is and how it ends. Not for use in a condition: bash would then ignore
# set -e inside the command.
step() {
	local name=$1 log began status pulse
	shift
	log=$logs/$(printf '%s' "$name" | tr -c 'a-zA-Z0-9._-' '-').log
	began=$(date +%s)
	say "$name ..."
	heartbeat "$name" "$began" "$log" 9>&- &
	pulse=$!
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	kill "$pulse" 2>/dev/null || true
	wait "$pulse" 2>/dev/null || true
	if [ "$status" -ne 0 ]; then
		say "$name: failed after $(($(date +%s) - began)) s; the end of $log:"
		tail -n 25 "$log" | sed 's/^/    /' >&2
		return "$status"
	fi
	say "$name: done in $(($(date +%s) - began)) s"
}

# heartbeat ends with the script ($$), also when that is killed. Its sleep holds no output of ours, so that nobody who
# reads a pipe to its end waits for it.
heartbeat() {
	while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		say "$1: still at it, $(($(date +%s) - $2)) s; log: $3"
	done
}

# locked NAME COMMAND... runs a command while no other process holds the lock of that name. The kernel lets go of the
# lock when its holder dies, so a killed build leaves none behind. What is started to outlive the command has to close
# descriptor 9. Without flock (not Linux) there is no guard.
locked() {
	local name=$1
	shift
	if ! have flock; then
		"$@"
		return
	fi
	(
		if ! flock -n 9; then
			say "waiting for another run that holds the lock $name"
			flock 9
		fi
		"$@"
	) 9>"$cache/lock/$name"
}

# short_hash prints a short hash of its input. git is wherever this repository is; sha256sum is not on every system.
short_hash() { git hash-object --stdin | cut -c1-12; }

# apt_install PACKAGE... installs from Debian or Ubuntu, as root. An index that cannot be fetched is only a warning: the
# machine may list sources we do not need. Another apt-get at work is waited for.
apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	local try
	for try in 1 2 3; do
		apt-get update || true
		apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" && return
		echo "attempt $try failed"
		sleep 5
	done
	return 1
}

can_apt() { [ "$(id -u)" = 0 ] && have apt-get; }
