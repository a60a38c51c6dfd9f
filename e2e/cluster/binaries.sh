#!/usr/bin/env bash
# binaries.sh NAME... builds pinned programs from the Go module proxy and prints the path of each, in order.
#
# Each is static (no C compiler is needed), sits in $cache/bin/NAME-VERSION and is built once: into a temporary name,
# renamed at the end, under a lock. A build that is cut off leaves nothing that looks finished, and what it has compiled is
# in Go's build cache, so that the next one goes on there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# source_of NAME sets module (the Go module), version, package and ldflags of a program; together=yes where programs/go.mod pins it, so
# that it is built with its neighbours.
source_of() {
	ldflags="-s -w" together=
	case $1 in
	kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kubeadm | kube-proxy | kubectl)
		with_others "$KUBERNETES_VERSION" "k8s.io/kubernetes/cmd/$1"
		;;
	oldest-kube-apiserver | oldest-kube-controller-manager)
		module=k8s.io/kubernetes version=$OLDEST_KUBERNETES_VERSION package=$module/cmd/${1#oldest-}
		ldflags+=$(kubernetes_stamps "$version")
		;;
	etcd) with_others "$ETCD_VERSION" go.etcd.io/etcd/server/v3 ;;
	containerd | ctr | containerd-shim-runc-v2) with_others "$CONTAINERD_VERSION" "github.com/containerd/containerd/v2/cmd/$1" ;;
	coredns) with_others "$COREDNS_VERSION" ./coredns ;;
	kind) with_others "$KIND_VERSION" sigs.k8s.io/kind ;;
	versitygw) with_others "$VERSITYGW_VERSION" github.com/versity/versitygw/cmd/versitygw ;;
	helm) with_others "$HELM_VERSION" helm.sh/helm/v4/cmd/helm ;;
	registry) with_others "$REGISTRY_VERSION" ./registry ;;
	prometheus | promtool)
		# Without the clients of two dozen clouds, which find targets that no test has, and without the web pages.
		with_others "$PROMETHEUS_VERSION" "github.com/prometheus/prometheus/cmd/$1"
		tags=remove_all_sd
		;;
	buildkitd | buildctl)
		module=github.com/moby/buildkit version=$BUILDKIT_VERSION package=$module/cmd/$1
		ldflags+=" -X $module/version.Version=$BUILDKIT_VERSION"
		;;
	rootlesskit)
		module=github.com/rootless-containers/rootlesskit/v2 version=$ROOTLESSKIT_VERSION package=$module/cmd/rootlesskit
		;;
	gofakes3) module=github.com/johannesboyne/gofakes3 version=$GOFAKES3_VERSION package=$module/cmd/gofakes3 ;;
	rclone) module=github.com/rclone/rclone version=$RCLONE_VERSION package=. ;; # see written
	weed) module=github.com/seaweedfs/seaweedfs version=$SEAWEEDFS_VERSION package=$module/weed ;;
	minio) module=github.com/minio/minio version=$MINIO_VERSION package=$module ;;
	loki | logcli) module=github.com/grafana/loki/v3 version=$LOKI_VERSION package=$module/cmd/$1 ;;
	goreleaser) module=github.com/goreleaser/goreleaser/v2 version=$GORELEASER_VERSION package=$module ;;
	cyclonedx-gomod) module=github.com/CycloneDX/cyclonedx-gomod version=$CYCLONEDX_VERSION package=$module/cmd/$1 ;;
	govulncheck) module=golang.org/x/vuln version=$VULN_VERSION package=$module/cmd/$1 ;;
	*) die "binaries.sh: unknown program \"$1\": see source_of in $here/binaries.sh for the ones it knows" ;;
	esac
}

# with_others VERSION PACKAGE is source_of for a program of programs/go.mod. The linker passes over a variable that a program does
# not have, so one set of stamps serves all.
with_others() {
	together=yes version=$1 package=$2
	ldflags+=$(kubernetes_stamps "$KUBERNETES_VERSION")
	ldflags+=" -X github.com/containerd/containerd/v2/version.Version=$CONTAINERD_VERSION -X main.Version=$VERSITYGW_VERSION"
	ldflags+=" -X helm.sh/helm/v4/internal/version.version=$HELM_VERSION"
	ldflags+=" -X github.com/distribution/distribution/v3/version.version=$REGISTRY_VERSION"
}

# kubernetes_stamps VERSION: its programs have to be told their version.
kubernetes_stamps() {
	local v=${1#v} where
	for where in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf ' -X %s.gitVersion=%s -X %s.gitMajor=%s' "$where" "$1" "$where" "${v%%.*}"
		printf ' -X %s.gitMinor=%s -X %s.gitTreeState=clean' "$where" "$(echo "$v" | cut -d. -f2)" "$where"
	done
}

# compile_together OUT PACKAGE... has one `go build` compile programs of programs/go.mod into a folder, so that their packages are
# compiled once and links go beside compilers. -v tells each package, which is how a bar knows how far it is.
compile_together() {
	local out=$1
	shift
	rm -rf "$out"
	mkdir -p "$out"
	cd "$here/programs"
	go list -deps -tags "$without" "$@" | grep -c '[./]' >"$cache/build/packages.tmp"
	mv "$cache/build/packages.tmp" "$cache/build/packages"
	go build -v -tags "$without" -ldflags "$ldflags" -o "$out/" "$@"
}

# Prometheus without the clients of two dozen clouds, which find targets that no test has.
without=remove_all_sd

# build_together NAME... is called under the lock of programs: another run may have finished some while we waited.
build_together() {
	local name packages=() missing=() out=$cache/build/programs built
	for name in "$@"; do
		source_of "$name"
		[ -x "$cache/bin/$name-$version" ] || { missing+=("$name") && packages+=("$package"); }
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	have go || die "go is not installed: install Go from https://go.dev/dl and put it on PATH"
	step "build ${missing[*]}" compile_together "$out" "${packages[@]}"
	for name in "${missing[@]}"; do
		source_of "$name"
		built=$out/${package##*/}
		[ "$name" != etcd ] || built=$out/server # its package is named v3 of it
		mv "$built" "$cache/bin/$name-$version"
	done
	rm -rf "$out"
}

# scratch_module DIR writes a throw-away Go module that requires $module. A dependency's replace lines do not count for
# those who require it, so Kubernetes' staging folders are named again here, as the versions they are published under.
# Old versions name every other module in such a line too, and build with no other.
scratch_module() {
	local dir=$1 gomod staged pinned published=v0.${version#v1.}
	mkdir -p "$dir"
	cd "$dir"
	if [ "$module" = github.com/grafana/loki/v3 ]; then
		cp "$root/serve/loki/oracle/loki.mod" go.mod
		return
	fi
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

# written puts the source of a program that is no package of its module into the scratch module: rclone whole has 70 clouds' clients.
written() {
	printf 'package main\n\nimport (\n'
	printf '\t_ "%s"\n' "$module/backend/local" "$module/cmd/serve/s3"
	printf '\t"%s/cmd"\n)\n\nfunc main() { cmd.Main() }\n' "$module"
}

compile() {
	local out=$1 dir
	dir=$cache/build/$(printf '%s' "$module@$version" | tr '/@' '__')
	scratch_module "$dir"
	cd "$dir"
	if [ "$package" = . ]; then
		written >main.go
		go get "$module@$version"
	elif [ "$module" != github.com/grafana/loki/v3 ]; then # whose go.mod is written by hand
		go get -tool "$package@$version"
	fi
	go build -mod=mod -ldflags "$ldflags" -o "$out.tmp" "$package"
	mv "$out.tmp" "$out"
}

# build is build_together for a program that has a module of its own.
build() {
	local out=$1
	[ -x "$out" ] && return
	have go || die "go is not installed: install Go from https://go.dev/dl and put it on PATH"
	step "build $(basename "$out")" compile "$out"
}

go_flags

together_names=()
for name in "$@"; do
	source_of "$name"
	[ -x "$cache/bin/$name-$version" ] || [ -z "$together" ] || together_names+=("$name")
done
[ ${#together_names[@]} -eq 0 ] || locked go-programs build_together "${together_names[@]}"
for name in "$@"; do
	source_of "$name"
	out=$cache/bin/$name-$version
	[ -n "$together" ] || [ -x "$out" ] || locked "go-$(printf '%s' "$module" | tr / _)" build "$out"
	echo "$out"
done
