# shellcheck shell=bash
# Gives a Docker engine that answers: the one that is there, or Debian's, installed and started. Sourced by the others.
#
# EPILOGUE_ENGINE names a folder: then it is an engine of our own that keeps everything there, beside the machine's.
own=${EPILOGUE_ENGINE:-}
[ -z "$own" ] || export DOCKER_HOST=unix://$own/docker.sock

engine_answers() { have docker && timeout 15 docker version >/dev/null 2>&1; }

engine_up() {
	engine_answers && return
	[ -z "${DOCKER_HOST:-}" ] || [ -n "$own" ] || die "the engine at DOCKER_HOST=$DOCKER_HOST does not answer: start it, or unset DOCKER_HOST"
	[ "$(uname -s)" = Linux ] || die "no Docker engine answers: start Docker Desktop or another engine, then run this again"
	can_apt || die "no Docker engine answers: start one, or as root: apt-get install docker.io runc iptables; then run this again"
	if ! have dockerd || ! have runc || ! have iptables; then
		step "install docker.io" apt_install docker.io runc iptables
	fi
	engine_wait $((${#own} ? 0 : 3)) && return # the package may have started it
	if [ -d /run/systemd/system ] && [ -z "$own" ]; then
		step "start the docker service" systemctl restart docker
	else
		engine_start
	fi
	engine_wait 60 || die "dockerd does not answer after 60 s: the reason is at the end of $logs/dockerd.log (or journalctl -u docker)"
	say "docker engine $(docker version --format '{{.Server.Version}}') answers"
}

engine_wait() {
	local end=$(($(date +%s) + $1))
	until engine_answers; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.5
	done
}

# engine_start starts dockerd in a session of its own, so that it outlives this script and a Ctrl-C. A killed engine
# leaves its pid file, and a new one refuses to start if that number belongs to any process by now. It gets no descriptor of
# ours: with it would live on what the caller holds by one, a lock or a pipe that somebody reads to its end.
engine_start() {
	local pid_file=/var/run/docker.pid socket=/var/run/docker.sock exec_root=/var/run/docker containerd_pid_file
	[ -z "$own" ] || { pid_file=$own/docker.pid socket=$own/docker.sock exec_root=$own/run && mkdir -p "$own"; }
	containerd_pid_file=$exec_root/containerd/containerd.pid
	if [ -f "$pid_file" ] && is_running "$(cat "$pid_file")" dockerd; then return; fi # slow to start: engine_wait decides
	rm -f "$pid_file" "$socket"
	if [ -f "$containerd_pid_file" ] && ! is_running "$(cat "$containerd_pid_file")" containerd; then
		rm -f "$containerd_pid_file"
	fi
	say "start dockerd; log: $logs/dockerd.log"
	runtime_flags
	[ -z "$own" ] || flags+=(--data-root "$own/data" --exec-root "$exec_root" --pidfile "$pid_file" --host "unix://$socket"
		--bridge none --default-address-pool base=10.213.0.0/16,size=24)
	(
		exec >>"$logs/dockerd.log" 2>&1 </dev/null
		for fd in /proc/self/fd/*; do
			[ "${fd##*/}" -le 2 ] || eval "exec ${fd##*/}>&-"
		done
		exec setsid dockerd "${flags[@]}"
	) &
}

# is_running PID PROGRAM tells a live process from a stale number that another program has by now, and from a zombie,
# which has a name and no command line.
is_running() {
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ] && [ -n "$(tr -d '\0' <"/proc/$1/cmdline")" ]
}

# runtime_flags sets flags: where the bounding set lacks a capability, the engine has to use our wrapper of runc. Flags
# and not /etc/docker/daemon.json: the machine's own settings stay as they are.
runtime_flags() {
	flags=()
	lacks_any_capability || return 0
	local wrapper
	wrapper=$cache/bin/capruntime-$(short_hash <"$here/capruntime/main.go")
	if [ ! -x "$wrapper" ]; then
		(cd "$root" && CGO_ENABLED=0 go build -o "$wrapper.tmp" ./e2e/cluster/capruntime)
		mv "$wrapper.tmp" "$wrapper"
	fi
	say "this machine lacks a capability: runc is wrapped by $wrapper"
	flags=(--add-runtime "epilogue=$wrapper" --default-runtime epilogue)
}

bounding_set() { sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status; }

# lacks_any_capability compares the bounding set with all the kernel knows.
lacks_any_capability() {
	local last
	last=$(cat /proc/sys/kernel/cap_last_cap)
	[ $((0x$(bounding_set))) -ne $(((1 << (last + 1)) - 1)) ]
}

# lacks_sys_resource: without it (capability 24) no process may lower its oom_score_adj.
lacks_sys_resource() { [ -r /proc/self/status ] && [ $((0x$(bounding_set) >> 24 & 1)) -eq 0 ]; }

# on_cgroup_v1 asks the engine, which need not run on this machine.
on_cgroup_v1() { [ "$(docker info --format '{{.CgroupVersion}}')" = 1 ]; }
