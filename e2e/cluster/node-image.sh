#!/usr/bin/env bash
# node-image.sh [--name] gives a kind node image made from the Go module proxy and Debian's packages alone, for machines that
# reach no container registry, and prints its name (--name: does only that). It is kept as $cache/node-image-KEY.tar, so that an engine which
# lost its images loads it again; KEY covers the versions and this script.
#
# What is kind's own (entrypoint, units, containerd's settings) comes from kind's Go module at build time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/engine.sh"

debian=epilogue-debian:$NODE_DEBIAN
debian_tar=$cache/debian-$NODE_DEBIAN.tar
mirror=${EPILOGUE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
ingredients="$ETCD_VERSION $CONTAINERD_VERSION $CRICTL_VERSION $COREDNS_VERSION $KIND_VERSION $NODE_DEBIAN"
key=$KUBERNETES_VERSION-$({ echo "$ingredients" && cat "$here/node-image.sh" "$here/node.Dockerfile" "$here/pause/main.go"; } | short_hash)
image=epilogue-node:$key
work=$cache/build/node-image

main() {
	engine_up
	docker image inspect "$image" >/dev/null 2>&1 && return
	local tar=$cache/node-image-$key.tar
	if [ -f "$tar" ]; then
		step "load the node image" docker load -i "$tar"
		return
	fi
	say "no published node image: building one; about 10 minutes with nothing cached, 2 with the programs built"
	rm -rf "$work"
	mkdir -p "$work"
	base & # waits for the network while the compilers use the processors
	local base_pid=$!
	programs
	wait "$base_pid"
	step "collect the node's files" node_files
	step "build the node's system" docker build --network=host -t "$image-system" "$work/node"
	step "make the images of the control plane" control_plane_images
	step "put the images into the node" preload
	step "save the node image" save "$tar"
	rm -rf "$work"
}

programs() {
	local names=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl etcd coredns
		containerd ctr containerd-shim-runc-v2 crictl kind) paths n
	paths=$("$here/binaries.sh" "${names[@]}")
	for n in "${names[@]}"; do
		declare -g "bin_${n//-/_}=$(printf '%s\n' "$paths" | grep "/$n-v")"
	done
}

# base gives the engine a bare Debian, from the mirror once.
base() {
	if [ ! -f "$debian_tar" ]; then
		can_apt || die "no registry answers, and building the node image needs root on Debian or Ubuntu: run this as root there"
		have debootstrap || step "install debootstrap" apt_install debootstrap debian-archive-keyring
		step "debootstrap $NODE_DEBIAN" bootstrap
	fi
	docker image inspect "$debian" >/dev/null 2>&1 || step "import Debian" docker import "$debian_tar" "$debian"
}

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
		install -m 755 "$bin_crictl" "$top/usr/local/bin/crictl"
	}
	printf '%s' "$KUBERNETES_VERSION" >"$top/kind/version"
	write_manifests "$top"
	sed "s|^FROM .*|FROM $debian|" "$here/node.Dockerfile" >"$work/node/Dockerfile"
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

# control_plane_images makes an image for each name kubeadm asks for, and the pause image containerd's settings name.
control_plane_images() {
	local name
	# shellcheck disable=SC2154 # set by programs
	"$bin_kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION" >"$work/images"
	sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$work/node/root/etc/containerd/config.toml" >>"$work/images"
	(cd "$root" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$work/pause" ./e2e/cluster/pause)
	sort -u -o "$work/images" "$work/images"
	while read -r name; do one_image "$name"; done <"$work/images"
}

# shellcheck disable=SC2154 # set by programs
one_image() {
	case $1 in
	*/kube-apiserver:*) scratch_image "$1" "$bin_kube_apiserver" kube-apiserver ;;
	*/kube-controller-manager:*) scratch_image "$1" "$bin_kube_controller_manager" kube-controller-manager ;;
	*/kube-scheduler:*) scratch_image "$1" "$bin_kube_scheduler" kube-scheduler ;;
	*/etcd:*) scratch_image "$1" "$bin_etcd" etcd ;;
	*/coredns:*) scratch_image "$1" "$bin_coredns" coredns ;;
	*/pause:*) scratch_image "$1" "$work/pause" pause ;;
	*/kube-proxy:*)
		mkdir -p "$work/proxy"
		install -m 755 "$bin_kube_proxy" "$work/proxy/kube-proxy"
		printf 'FROM %s\nCOPY kube-proxy /usr/local/bin/\n' "$debian" >"$work/proxy/Dockerfile"
		docker build -t "$1" "$work/proxy"
		;;
	*) die "kubeadm $KUBERNETES_VERSION asks for an image this script cannot make: $1; add it to one_image in $here/node-image.sh" ;;
	esac
}

scratch_image() {
	local dir=$work/scratch
	rm -rf "$dir"
	mkdir -p "$dir/usr/local/bin" "$dir/tmp"
	install -m 755 "$2" "$dir/usr/local/bin/$3"
	tar -C "$dir" --numeric-owner --owner=0 --group=0 -cf - . |
		docker import --change "ENTRYPOINT [\"/usr/local/bin/$3\"]" --change "ENV PATH=/usr/local/bin" - "$1"
}

# preload imports the images with the node's own containerd, inside a container that then becomes the node image.
# --local reads the archive in ctr; layers stay packed, which the kubelet's first start unpacks.
preload() {
	local box=epilogue-node-build
	docker rm -f "$box" >/dev/null 2>&1 || true
	docker run -d --privileged --name "$box" --entrypoint sleep "$image-system" infinity
	docker exec -d "$box" containerd
	wait_for_containerd "$box"
	xargs docker save <"$work/images" | docker exec -i "$box" ctr -n k8s.io images import --no-unpack -
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

# save comes last: the file's presence is what makes the image finished. Images of other versions go then, a gigabyte
# each; the engine keeps one that a container still uses.
save() {
	docker save -o "$1.tmp" "$image"
	mv "$1.tmp" "$1"
	find "$cache" -maxdepth 1 -name 'node-image-*' ! -path "$1" -delete
	{ docker images --format '{{.Repository}}:{{.Tag}}' epilogue-node | grep -vxF "$image" && cat "$work/images"; } |
		xargs docker rmi >/dev/null 2>&1 || true
}

export DOCKER_BUILDKIT=0
[ "${1:-}" = --name ] || locked node-image main
echo "$image"
