#!/usr/bin/env bash
# binaries.sh NAME... builds pinned programs from the Go module proxy and prints the path of each, in order.
#
# Each is static (no C compiler is needed), sits in $cache/bin/NAME-VERSION and is built once: into a temporary name,
# renamed at the end, under a lock per Go module. A build that is cut off leaves nothing that looks finished.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# source_of NAME sets module (the Go module), version, package, ldflags and build tags of a program.
source_of() {
	ldflags="-s -w" tags=
	case $1 in
	kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kubeadm | kube-proxy | kubectl)
		kubernetes "$KUBERNETES_VERSION" "$1"
		;;
	oldest-kube-apiserver | oldest-kube-controller-manager)
		kubernetes "$OLDEST_KUBERNETES_VERSION" "${1#oldest-}"
		;;
	etcd) module=go.etcd.io/etcd/server/v3 version=$ETCD_VERSION package=$module ;;
	containerd | ctr | containerd-shim-runc-v2)
		module=github.com/containerd/containerd/v2 version=$CONTAINERD_VERSION package=$module/cmd/$1
		ldflags+=" -X $module/version.Version=$CONTAINERD_VERSION"
		;;
	crictl)
		module=sigs.k8s.io/cri-tools version=$CRICTL_VERSION package=$module/cmd/crictl
		ldflags+=" -X $module/pkg/version.Version=$CRICTL_VERSION"
		;;
	coredns) module=github.com/coredns/coredns version=$COREDNS_VERSION package=$module ;;
	kind) module=sigs.k8s.io/kind version=$KIND_VERSION package=$module ;;
	versitygw)
		module=github.com/versity/versitygw version=$VERSITYGW_VERSION package=$module/cmd/versitygw
		ldflags+=" -X main.Version=$VERSITYGW_VERSION"
		;;
	registry)
		module=github.com/distribution/distribution/v3 version=$REGISTRY_VERSION package=$module/cmd/registry
		ldflags+=" -X $module/version.version=$REGISTRY_VERSION"
		;;
	buildkitd | buildctl)
		module=github.com/moby/buildkit version=$BUILDKIT_VERSION package=$module/cmd/$1
		ldflags+=" -X $module/version.Version=$BUILDKIT_VERSION"
		;;
	rootlesskit)
		module=github.com/rootless-containers/rootlesskit/v2 version=$ROOTLESSKIT_VERSION package=$module/cmd/rootlesskit
		;;
	helm)
		module=helm.sh/helm/v4 version=$HELM_VERSION package=$module/cmd/helm
		ldflags+=" -X $module/internal/version.version=$HELM_VERSION"
		;;
	prometheus | promtool)
		# Without the clients of two dozen clouds, which find targets that no test has, and without the web pages.
		module=github.com/prometheus/prometheus version=$PROMETHEUS_VERSION package=$module/cmd/$1 tags=remove_all_sd
		;;
	goreleaser) module=github.com/goreleaser/goreleaser/v2 version=$GORELEASER_VERSION package=$module ;;
	cyclonedx-gomod) module=github.com/CycloneDX/cyclonedx-gomod version=$CYCLONEDX_VERSION package=$module/cmd/$1 ;;
	govulncheck) module=golang.org/x/vuln version=$VULN_VERSION package=$module/cmd/$1 ;;
	*) die "binaries.sh: unknown program \"$1\": see source_of in $here/binaries.sh for the ones it knows" ;;
	esac
}

# kubernetes VERSION NAME is source_of for one of its programs, which has to be told its version.
kubernetes() {
	module=k8s.io/kubernetes version=$1 package=k8s.io/kubernetes/cmd/$2
	local v=${1#v} where
	for where in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		ldflags+=" -X $where.gitVersion=$1 -X $where.gitMajor=${v%%.*}"
		ldflags+=" -X $where.gitMinor=$(echo "$v" | cut -d. -f2) -X $where.gitTreeState=clean"
	done
}

# scratch_module DIR writes a throw-away Go module that requires $module. A dependency's replace lines do not count for
# those who require it, so Kubernetes' staging folders are named again here, as the versions they are published under.
# Old versions name every other module in such a line too, and build with no other.
scratch_module() {
	local dir=$1 gomod staged pinned published=v0.${version#v1.}
	mkdir -p "$dir"
	cd "$dir"
	[ -f go.mod ] || go mod init example.invalid/scratch
	go mod edit -require="$module@$version"
	if [ "$module" = k8s.io/kubernetes ]; then
		gomod=$(go mod download -json "$module@$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
		for staged in $(sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging/.*|\1|p' "$gomod"); do
			go mod edit -replace="$staged=$staged@$published"
		done
		for pinned in $(sed -n 's|^[[:space:]]*\([^ ]*\) => \([^ .][^ ]*\) \(v[^ ]*\)$|\1=\2@\3|p' "$gomod"); do
			go mod edit -replace="$pinned"
		done
	fi
}

compile() {
	local out=$1 dir
	dir=$cache/build/$(printf '%s' "$module@$version" | tr '/@' '__')
	scratch_module "$dir"
	cd "$dir"
	go get -tool -tags "$tags" "$package@$version"
	go build -trimpath -tags "$tags" -ldflags "$ldflags" -o "$out.tmp" "$package"
	mv "$out.tmp" "$out"
}

# build is called under the module's lock: another run may have finished the same program while we waited.
build() {
	local out=$1
	[ -x "$out" ] && return
	have go || die "go is not installed: install Go from https://go.dev/dl and put it on PATH"
	step "build $(basename "$out")" compile "$out"
}

# -p bounds memory: the API server's packages take 2.4 GB with two compilers at once. The toolchain's own work space is
# not ours, so GOWORK and module flags of the caller are put aside.
export CGO_ENABLED=0 GOWORK=off GOFLAGS="-mod=mod -buildvcs=false -p=${EPILOGUE_BUILD_PARALLEL:-2}"

for name in "$@"; do
	source_of "$name"
	out=$cache/bin/$name-$version
	[ -x "$out" ] || locked "go-$(printf '%s' "$module" | tr / _)" build "$out"
	echo "$out"
done
