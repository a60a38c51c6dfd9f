#!/usr/bin/env bash
# image.sh [daemon|versitygw|sample|builder|registry|buildkit]... builds images of one static binary each, puts them into the cluster where one
# runs, and prints their names in order. Without arguments: all whose source is there.
#
# No Dockerfile and no builder: `docker import` of a tar is all that an image of one file needs, and every engine has it. BuildKit's
# alone needs a system around it.
# The tag is the hash of what is inside, so a new build is a new name, and a Deployment that names it notices.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/engine.sh"

# build NAME sets binary (the program's path) and repository, tag ("" = by content) of its image.
build() {
	tag=
	case $1 in
	daemon) repository=epilogue binary=$cache/build/epilogue source=./cmd/daemon ;;
	sample) repository=epilogue-sample binary=$cache/build/sample source=./e2e/sample ;;
	builder) repository=epilogue-builder binary=$cache/build/builder source=./e2e/builder ;;
	registry)
		repository=epilogue-registry tag=$REGISTRY_VERSION
		binary=$("$here/binaries.sh" registry)
		return
		;;
	versitygw)
		repository=epilogue-versitygw tag=$VERSITYGW_VERSION
		binary=$("$here/binaries.sh" versitygw)
		return
		;;
	*) die "image.sh: unknown image \"$1\": want daemon, versitygw, sample, builder, registry or buildkit" ;;
	esac
	cd "$root"
	step "compile $source" env CGO_ENABLED=0 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)" -o "$binary.tmp" "$source"
	mv "$binary.tmp" "$binary"
}

# one builds and loads one image. The program keeps its own name inside, the repository's last word being its.
one() {
	if [ "$1" = buildkit ]; then
		repository=epilogue-buildkit image=$repository:$BUILDKIT_VERSION-$(short_hash <"$here/buildkit.Dockerfile")
		docker image inspect "$image" >/dev/null 2>&1 || step "make $image" make_buildkit
	else
		build "$1"
		image=$repository:${tag:-dev-$(git hash-object "$binary" | cut -c1-12)}
		docker image inspect "$image" >/dev/null 2>&1 || step "make $image" import "$binary" "$repository" "$image"
	fi
	docker tag "$image" "$repository:dev"
	forget_older
	if [ "$(docker inspect -f '{{.State.Running}}' "$node" 2>/dev/null)" = true ]; then load; fi
	echo "$image"
}

# import: root certificates are there for those who talk to a real S3; /tmp for a library that insists.
import() {
	local dir=$cache/build/image-$2 program=${2#epilogue-} certs=/etc/ssl/certs/ca-certificates.crt
	rm -rf "$dir"
	mkdir -p "$dir/etc/ssl/certs" "$dir/tmp" "$dir/data"
	install -m 755 "$1" "$dir/$program"
	[ ! -f "$certs" ] || install -m 644 "$certs" "$dir$certs"
	chmod 1777 "$dir/tmp" "$dir/data"
	tar -C "$dir" --numeric-owner --owner=0 --group=0 -cf - . |
		docker import --change "ENTRYPOINT [\"/$program\"]" --change 'USER 65532:65532' - "$3"
	rm -rf "$dir"
}

# make_buildkit takes the Debian of the home-made node image where there is one: then no registry can be reached.
make_buildkit() {
	local dir=$cache/build/image-buildkit name source base=epilogue-debian:$NODE_DEBIAN
	rm -rf "$dir"
	mkdir -p "$dir"
	for name in buildkitd buildctl rootlesskit; do install -m 755 "$("$here/binaries.sh" "$name")" "$dir/$name"; done
	source=$(cd /tmp && GOFLAGS=-mod=mod go mod download -json "github.com/moby/buildkit@$BUILDKIT_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	install -m 755 "$source/examples/buildctl-daemonless/buildctl-daemonless.sh" "$dir/"
	docker image inspect "$base" >/dev/null 2>&1 || base=debian:$NODE_DEBIAN-slim
	docker build --network=host --build-arg "BASE=$base" -t "$image" -f "$here/buildkit.Dockerfile" "$dir"
	rm -rf "$dir"
}

# forget_older removes the engine's copies of earlier builds; what the cluster runs is in the node's own store.
forget_older() {
	docker images --format '{{.Repository}}:{{.Tag}}' "$repository" | { grep "^$repository:dev-" || true; } |
		{ grep -vxF "$image" || true; } | xargs -r docker rmi >/dev/null 2>&1 || true
}

# load is skipped where the node holds the image: its tag says what is inside.
load() {
	[ -z "$(docker exec "$node" ctr -n k8s.io images ls -q "name==docker.io/library/$image" 2>/dev/null)" ] || return 0
	local kind
	kind=$("$here/binaries.sh" kind)
	step "load $image" "$kind" load docker-image "$image" --name "$cluster"
}

main() {
	engine_up
	local name
	if [ $# -eq 0 ]; then
		set -- versitygw
		[ ! -d "$root/cmd/daemon" ] || set -- "$@" daemon
		[ ! -d "$root/e2e/sample" ] || set -- "$@" sample
	fi
	for name in "$@"; do one "$name"; done
}

locked image main "$@"
