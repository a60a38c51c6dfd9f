#!/usr/bin/env bash
# node-image.sh [--name | --keep] gives a kind node image made from the Go module proxy and Debian's packages alone, for machines
# that reach no container registry, and prints its name (--name: does only that). --keep writes it to $cache/node-image-KEY.tar, so that
# an engine which lost its images loads it again; KEY covers the versions and this script.
#
# What is kind's own (entrypoint, units, containerd's settings) comes from kind's Go module at build time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/engine.sh"

debian=epilogue-debian:$NODE_DEBIAN
debian_tar=$cache/debian-$NODE_DEBIAN.tar
mirror=${EPILOGUE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
ingredients="$ETCD_VERSION $CONTAINERD_VERSION $COREDNS_VERSION $KIND_VERSION $NODE_DEBIAN"
key=$KUBERNETES_VERSION-$({ echo "$ingredients" && cat "$here"/{node-image.sh,node.Dockerfile,pause/main.go,pack/main.go,programs/coredns/main.go}; } | short_hash)
image=epilogue-node:$key
tar=$cache/node-image-$key.tar
work=$cache/build/node-image

main() {
	engine_up
	docker image inspect "$image" >/dev/null 2>&1 && return
	if [ -f "$tar" ]; then
		step "load the node image" docker load -i "$tar"
		return
	fi
	rm -rf "$work"
	mkdir -p "$work"
	system & # waits for the network and the disk while the compilers use the processors
	local system_pid=$!
	programs
	wait "$system_pid"
	step "collect the node's files" node_files
	step "build the node" docker build --network=host -t "$image-system" "$work/node"
	step "put the images into the node" preload
	rm -rf "$work"
}

programs() {
	local names=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl etcd coredns
		containerd ctr containerd-shim-runc-v2) paths n
	paths=$("$here/binaries.sh" "${names[@]}")
	for n in "${names[@]}"; do
		declare -g "bin_${n//-/_}=$(printf '%s\n' "$paths" | grep "/$n-v")"
	done
}

# system gives the engine a bare Debian, from the mirror once, and on it the packages of a node: all of it that needs no program
# of ours. The engine's build cache keeps the second part for "build the node".
system() {
	if [ ! -f "$debian_tar" ]; then
		can_apt || die "no registry answers, and building the node image needs root on Debian or Ubuntu: run this as root there"
		have debootstrap || step "install debootstrap" apt_install debootstrap debian-archive-keyring
		step "debootstrap $NODE_DEBIAN" bootstrap
	fi
	docker image inspect "$debian" >/dev/null 2>&1 || step "import Debian" docker import "$debian_tar" "$debian"
	mkdir -p "$work/empty"
	dockerfile >"$work/empty/Dockerfile"
	step "install the node's packages" docker build --network=host --target packages "$work/empty"
}

dockerfile() { sed "s|^FROM debian |FROM $debian |" "$here/node.Dockerfile"; }

# The packages are those kube-proxy needs as well: its image is this base and one program.
bootstrap() {
	local dir=$work/debian
	debootstrap --variant=minbase --include=ca-certificates,conntrack,iptables,kmod "$NODE_DEBIAN" "$dir" "$mirror"
	rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/* "$dir"/usr/share/{doc,man,locale}/*
	tar -C "$dir" --numeric-owner -cf "$debian_tar.tmp" .
	mv "$debian_tar.tmp" "$debian_tar"
	rm -rf "$dir"
}

# node_files lays out the build context: what goes over the Debian base, with the modes it needs.
node_files() {
	local top=$work/node/root kind_files
	mkdir -p "$top"/{usr/bin,usr/local/bin,kind/manifests,etc/cni/net.d,etc/kubernetes/manifests,opt/cni/bin}
	kind_files=$(cd "$cache/build" && GOFLAGS=-mod=mod go mod download -json "sigs.k8s.io/kind@$KIND_VERSION" |
		sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/images/base/files
	cp -r "$kind_files/." "$top/"
	chmod -R u=rwX,go=rX "$top"
	chmod 755 "$top"/usr/local/bin/* "$top"/kind/bin/*
	# shellcheck disable=SC2154 # set by programs
	{
		install -m 755 "$bin_kubelet" "$top/usr/bin/kubelet"
		install -m 755 "$bin_kubeadm" "$top/usr/bin/kubeadm"
		install -m 755 "$bin_kubectl" "$top/usr/bin/kubectl"
		install -m 755 "$bin_containerd" "$top/usr/local/bin/containerd"
		install -m 755 "$bin_ctr" "$top/usr/local/bin/ctr"
		install -m 755 "$bin_containerd_shim_runc_v2" "$top/usr/local/bin/containerd-shim-runc-v2"
	}
	printf '%s' "$KUBERNETES_VERSION" >"$top/kind/version"
	write_manifests "$top"
	dockerfile >"$work/node/Dockerfile"
}

# write_manifests stands in for kind's network and storage images: one node needs only a bridge, and no test here claims
# a volume.
write_manifests() {
	cat >"$1/kind/manifests/default-storage.yaml" <<-'YAML'
		apiVersion: storage.k8s.io/v1
		kind: StorageClass
		metadata:
		  name: standard
		  annotations:
		    storageclass.kubernetes.io/is-default-class: "true"
		provisioner: kubernetes.io/no-provisioner
		volumeBindingMode: WaitForFirstConsumer
	YAML
	# CoreDNS' first probe comes too early, and the next 10 s later: probe each second.
	mkdir -p "$1/kind/patches"
	cat >"$1/kind/patches/corednsdeployment.yaml" <<-'YAML'
		spec:
		  replicas: 1
		  template:
		    spec:
		      containers:
		      - name: coredns
		        readinessProbe:
		          periodSeconds: 1
	YAML
	cat >"$1/etc/cni/net.d/10-bridge.conflist" <<-'JSON'
		{
		  "cniVersion": "0.4.0",
		  "name": "bridge",
		  "plugins": [
		    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
		     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		    {"type": "portmap", "capabilities": {"portMappings": true}}
		  ]
		}
	JSON
}

# control_plane_images writes to its output one archive with an image for each name kubeadm asks for, and the pause image that
# containerd's settings name. No engine is asked: it would unpack and pack each once more.
control_plane_images() {
	local name names images=()
	# shellcheck disable=SC2154 # set by programs
	names=$("$bin_kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION")
	names+=$'\n'$(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$work/node/root/etc/containerd/config.toml")
	for name in $(sort -u <<<"$names"); do images+=("$name=$(contents "$name")"); done
	"$work/pack" "${images[@]}"
}

# contents NAME prints what pack puts into the image of that name: a program, and what lies under it.
# shellcheck disable=SC2154 # set by programs
contents() {
	case $1 in
	*/kube-apiserver:*) echo "$bin_kube_apiserver" ;;
	*/kube-controller-manager:*) echo "$bin_kube_controller_manager" ;;
	*/kube-scheduler:*) echo "$bin_kube_scheduler" ;;
	*/etcd:*) echo "$bin_etcd" ;;
	*/coredns:*) echo "$bin_coredns" ;;
	*/pause:*) echo "$work/pause" ;;
	*/kube-proxy:*) echo "$bin_kube_proxy,$debian_tar" ;; # it needs iptables
	*) die "kubeadm $KUBERNETES_VERSION asks for an image this script cannot make: $1; add it to contents in $here/node-image.sh" ;;
	esac
}

# preload imports the images with the node's own containerd, inside a container that then becomes the node image.
# --local reads the archive in ctr; layers stay packed, which the kubelet's first start unpacks.
preload() {
	local box=epilogue-node-build
	go_flags
	(cd "$root" && go build -ldflags "-s -w" -o "$work/" ./e2e/cluster/pause ./e2e/cluster/pack)
	docker rm -f "$box" >/dev/null 2>&1 || true
	docker run -d --privileged --network none --name "$box" --entrypoint sleep "$image-system" infinity
	docker exec -d "$box" containerd
	wait_for_containerd "$box"
	control_plane_images | docker exec -i "$box" ctr -n k8s.io images import --no-unpack -
	docker exec "$box" ctr -n k8s.io images ls -q
	docker exec "$box" pkill containerd
	docker commit --change 'ENTRYPOINT [ "/usr/local/bin/entrypoint", "/sbin/init" ]' "$box" "$image"
	docker rm -f -v "$box"
}

wait_for_containerd() {
	local try
	for try in $(seq 60); do
		docker exec "$1" ctr version >/dev/null 2>&1 && return
		sleep 0.5
	done
	echo "containerd did not answer within $((try / 2)) s"
	return 1
}

# keep saves the image for an engine that loses its own. It waits for nobody, so up.sh calls it beside a cluster that works already;
# the file has its name only when it is whole. Images of other versions go then, a gigabyte each; the engine keeps one that a container
# still uses.
keep() {
	[ ! -f "$tar" ] && docker image inspect "$image" >/dev/null 2>&1 || return 0
	docker save -o "$tar.tmp" "$image"
	mv "$tar.tmp" "$tar"
	find "$cache" -maxdepth 1 -name 'node-image-*' ! -path "$tar" -delete
	docker images --format '{{.Repository}}:{{.Tag}}' epilogue-node | { grep -vxF "$image" || true; } |
		xargs -r docker rmi >/dev/null 2>&1 || true
}

export DOCKER_BUILDKIT=0
case ${1:-} in
--name) ;;
--keep) locked node-image keep ;;
*) locked node-image main ;;
esac
echo "$image"
