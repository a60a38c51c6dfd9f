#!/usr/bin/env bash
# up.sh gives a Ready kind cluster named "epilogue" and prints the path of its kubeconfig. Where that is so already, it
# changes nothing and takes a second or two.
#
# In this order: the Docker engine that answers, else Debian's (engine.sh); the published node image, else a home-made
# one (node-image.sh). A node that is stopped, half alive or made by other settings is deleted and made again: that takes
# ten seconds, finding out what is left of it takes longer. Repeating is the business of this script; tests never do it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/engine.sh"

state=$cache/cluster-state

main() {
	if ! engine_answers && have go; then
		# Its packages and its start wait for the network and the disk: what every way needs is compiled meanwhile.
		engine_up &
		local engine_pid=$!
		"$here/binaries.sh" kind kubectl versitygw >/dev/null
		wait "$engine_pid"
	fi
	engine_up
	local programs
	programs=$("$here/binaries.sh" kind kubectl)
	kind=$(sed -n 1p <<<"$programs") kubectl=$(sed -n 2p <<<"$programs")
	# What the caller will run on the cluster is compiled while the node is made, which waits now and then.
	[ -z "${EPILOGUE_BESIDE:-}" ] || nice -n 19 "$here/ours.sh" $EPILOGUE_BESIDE >/dev/null 9>&- &
	if as_wanted && healthy; then
		say "cluster $cluster is ready"
		return
	fi
	choose_image
	local try
	for try in 1 2 3; do
		create && keep_image && return
		say "attempt $try to create the cluster failed"
	done
	die "the cluster does not come up: the reasons are in $logs/create-the-cluster.log; \"docker logs $node\" may say more"
}

# keep_image saves a home-made node image beside whatever uses the cluster now. Who needs it is the next run whose engine has lost it.
keep_image() {
	[ -n "$home_made" ] || return 0
	setsid "$here/node-image.sh" --keep >"$logs/keep-the-node-image.log" 2>&1 </dev/null 9>&- &
}

# as_wanted: the node that runs is the one our last run made, by the settings this run would use.
as_wanted() {
	[ -f "$kubeconfig" ] && [ "$(cat "$state" 2>/dev/null)" = "$(node_id) $(settings_key)" ]
}

node_id() { docker inspect -f '{{.Id}} {{.State.Running}}' "$node" 2>/dev/null || true; }

# settings_key covers both ways to make a node: which one it was does not matter once it runs.
settings_key() {
	{
		echo "$KIND_NODE_IMAGE $("$here/node-image.sh" --name)"
		home_made=yes config
		home_made='' config
	} | short_hash
}

kube() { "$kubectl" --kubeconfig "$kubeconfig" --request-timeout=5s "$@"; }

# healthy: the node is Ready, names are resolved, and a pod could be created in the namespace "default".
healthy() {
	[ "$(kube get nodes -o jsonpath='{.items[0].status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ] &&
		[ "$(kube -n kube-system get deployment coredns -o jsonpath='{.status.readyReplicas}' 2>/dev/null)" -ge 1 ] 2>/dev/null &&
		kube -n default get serviceaccount default >/dev/null 2>&1
}

# choose_image sets image. On a cgroup v1 host the published image cannot run: its systemd does not boot there.
choose_image() {
	home_made=
	image=$KIND_NODE_IMAGE
	docker image inspect "$image" >/dev/null 2>&1 && ! on_cgroup_v1 && return
	if on_cgroup_v1; then
		say "this machine has cgroup v1, where the published node image does not boot"
	elif pull_image; then
		return
	fi
	home_made=yes
	image=$("$here/node-image.sh")
}

# pull_image gives up when the registry has not begun to answer within 20 s; a pull that is under way gets ten minutes.
pull_image() {
	local log=$logs/pull.log pid end=$(($(date +%s) + 20))
	say "pull ${image%@*} ..."
	timeout 600 docker pull "$image" >"$log" 2>&1 </dev/null 9>&- &
	pid=$!
	until grep -qs 'Pulling fs layer' "$log"; do
		if ! kill -0 "$pid" 2>/dev/null; then break; fi
		if [ "$(date +%s)" -ge "$end" ]; then
			kill "$pid"
			break
		fi
		sleep 0.3
	done
	if wait "$pid"; then return; fi
	say "not pulled: $(tail -n 1 "$log" | cut -c1-150)"
	return 1
}

# create makes the cluster anew. It is called in a condition, where bash ignores set -e: hence the &&.
create() {
	config >"$cache/kind.yaml"
	remove && step "create the cluster" "$kind" create cluster --name "$cluster" --image "$image" \
		--config "$cache/kind.yaml" --kubeconfig "$kubeconfig" --wait 120s &&
		await_health && echo "$(node_id) $(settings_key)" >"$state"
}

remove() {
	rm -f "$state"
	docker inspect "$node" >/dev/null 2>&1 || return 0
	say "delete what is left of an earlier cluster"
	"$kind" delete cluster --name "$cluster" --kubeconfig "$kubeconfig" >/dev/null 2>&1 || docker rm -f -v "$node" >/dev/null
}

await_health() {
	local end=$(($(date +%s) + 120))
	until healthy; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.5
	done
	say "cluster $cluster is ready"
}

# config prints kind's configuration. Logs rotate at 1 MiB, so that a test needs little output to see it, and a container
# that dies again and again is started within 2 s each time, so that a test can kill it every few seconds. The rest is only
# for hosts that need it: the home-made image has its network built in; cgroup v1 must be allowed; without
# CAP_SYS_RESOURCE nothing may ask for a lower oom_score_adj, or no sandbox starts.
config() {
	local lacks=
	if lacks_sys_resource; then lacks=yes; fi
	printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n'
	[ -z "$home_made" ] || printf 'networking:\n  disableDefaultCNI: true\n'
	printf 'nodes:\n- role: control-plane\n'
	if [ -n "$lacks" ]; then
		printf 'containerdConfigPatches:\n- |-\n  [plugins."io.containerd.grpc.v1.cri"]\n    restrict_oom_score_adj = true\n'
	fi
	printf 'kubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  containerLogMaxSize: 1Mi\n  crashLoopBackOff:\n    maxContainerRestartPeriod: 2s\n'
	if on_cgroup_v1; then printf '  failCgroupV1: false\n'; fi
	if [ -n "$lacks" ]; then printf '  oomScoreAdj: 0\n  featureGates:\n    KubeletInUserNamespace: true\n'; fi
	if [ -n "$home_made" ]; then printf -- '- |\n  kind: InitConfiguration\n  patches:\n    directory: /kind/patches\n'; fi
}

locked cluster main
echo "$kubeconfig"
