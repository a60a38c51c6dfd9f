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

# step NAME COMMAND... runs a command with its output in a log file. It says when it starts and ends, shows meanwhile that it
# is still alive, and on failure says where the log is and how it ends. Not for use in a condition: bash would then ignore
# set -e inside the command.
step() {
	local name=$1 log began status pulse
	shift
	log=$logs/$(printf '%s' "$name" | tr -c 'a-zA-Z0-9._-' '-' | cut -c1-80).log
	began=$(date +%s)
	say "$name ..."
	heartbeat "$name" "$began" "$log" 9>&- &
	pulse=$!
	set +e
	(
		set -e
		timed "$name" "$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	kill "$pulse" 2>/dev/null || true
	wait "$pulse" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r\033[K' >&2
	if [ "$status" -ne 0 ]; then
		say "$name: failed after $(($(date +%s) - began)) s; the end of $log:"
		tail -n 25 "$log" | sed 's/^/    /' >&2
		explain "$log"
		return "$status"
	fi
	say "$name: done in $(($(date +%s) - began)) s"
}

# timed NAME COMMAND... adds to the file that EPILOGUE_TIMES names, where it does, what the command took: seconds of the clock, then
# of processors by its own processes, in user mode and in the kernel. What an engine or a cluster does for it is not theirs.
timed() {
	local name=$1 began took own=${EPILOGUE_TIMES:-}.$BASHPID
	shift
	began=$EPOCHREALTIME
	"$@"
	[ -n "${EPILOGUE_TIMES:-}" ] || return 0
	took=$(LC_ALL=C awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $began }")
	times >"$own" # not in a pipe: its subshell has no children
	printf '%s\t%s\t%s\n' "$name" "$took" "$(sed -n 2p "$own")" >>"$EPILOGUE_TIMES"
	rm -f "$own"
}

# explain LOG says in one sentence what a person can do about the failures that everybody meets some day.
explain() {
	local said
	said=$(tail -n 60 "$1")
	case $said in
	*"no space left on device"* | *"No space left on device"* | *"not enough free space"*)
		say "the disk is full: a cluster from nothing takes some 12 GB below $cache, Go's caches and the engine's folder; make room and type it again, it goes on where it was" ;;
	*"no such host"* | *"network is unreachable"* | *"Temporary failure resolving"* | *"Temporary failure in name resolution"* | *"i/o timeout"* | *"connection refused"*"proxy"* | *"dial tcp"*"connection refused"*)
		say "the network does not answer: building from nothing needs the Go module proxy ($(go env GOPROXY 2>/dev/null || echo GOPROXY)) and Debian's mirror; type it again once they do, it goes on where it was" ;;
	*"Cannot connect to the Docker daemon"* | *"Is the docker daemon running"*)
		say "the Docker engine went away: type it again, it is started anew where this is root on Debian; its log is $logs/dockerd.log" ;;
	esac
}

# heartbeat shows how a step is going: on a terminal a line that is written over each second, elsewhere a line each 30 s. It
# ends with the script ($$), also when that is killed. Its sleep holds no output of ours, so that nobody who reads a pipe to
# its end waits for it.
heartbeat() {
	local every=30
	[ ! -t 2 ] || every=1
	while sleep "$every" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		if [ -t 2 ]; then
			printf '\r\033[K%s' "$(progress "$1" "$2" "$3" | cut -c1-"${COLUMNS:-100}")" >&2
		else
			say "$(progress "$1" "$2" "$3"); log: $3"
		fi
	done
}

# progress NAME BEGAN LOG says how far a step is. In a cold `make demo` a bar goes with it, made of the shares that plan.tsv holds:
# the seconds that each step took on two cores. What comes before this step counts as done, and what is left is stretched by how
# slow this machine was so far. A compiler's -v names each package, which says more about its step than the clock.
progress() {
	local elapsed=$(($(date +%s) - $2)) packages=0 of=0
	[ ! -f "$3" ] || packages=$(grep -c '^[a-z][a-z0-9.-]*[./][^ ]*$' "$3" || true)
	[ ! -f "$cache/build/packages" ] || read -r of <"$cache/build/packages"
	LC_ALL=C awk -F '\t' -v name="$1" -v elapsed="$elapsed" -v packages="$packages" -v of="$of" \
		-v bar="${EPILOGUE_BAR:-}" -f "$here/progress.awk" "$here/plan.tsv"
}

# go_flags sets what all builds of this folder share, so that a package is compiled once for all programs, ours too. Debug information is
# nobody's here: without it compilers take a seventh less. They take another quarter less where they collect garbage only when they
# have a share of the machine's memory, an eighth with two at once. The toolchain's own work space is not ours, so GOWORK and the
# flags of the caller are put aside.
go_flags() {
	local parallel=${EPILOGUE_BUILD_PARALLEL:-2} memory
	memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null || true)
	export CGO_ENABLED=0 GOWORK=off GOGC=off GOMEMLIMIT=$((${memory:-8192} / 4 / parallel))MiB
	export GOFLAGS="-trimpath -buildvcs=false -gcflags=all=-dwarf=false -p=$parallel"
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
