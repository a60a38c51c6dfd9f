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

# binary_of NAME sets binary (the program's path) and repository, tag ("" = by content) of its image.
binary_of() {
	tag=
	case $1 in
	daemon) repository=epilogue binary=$cache/build/ours/daemon ;;
	sample | builder) repository=epilogue-$1 binary=$cache/build/ours/$1 ;;
	registry)
		repository=epilogue-registry tag=$REGISTRY_VERSION
		binary=$("$here/binaries.sh" registry)
		;;
	versitygw)
		repository=epilogue-versitygw tag=$VERSITYGW_VERSION
		binary=$("$here/binaries.sh" versitygw)
		;;
	*) die "image.sh: unknown image \"$1\": want daemon, versitygw, sample, builder, registry or buildkit" ;;
	esac
}

# one makes one image of a program that is there. It keeps its own name inside, the repository's last word being its.
one() {
	if [ "$1" = buildkit ]; then
		repository=epilogue-buildkit image=$repository:$BUILDKIT_VERSION-$(short_hash <"$here/buildkit.Dockerfile")
		docker image inspect "$image" >/dev/null 2>&1 || step "make $image" make_buildkit
	else
		binary_of "$1"
		image=$repository:${tag:-dev-$(git hash-object "$binary" | cut -c1-12)}
		docker image inspect "$image" >/dev/null 2>&1 || step "make $image" import "$binary" "$repository" "$image"
	fi
	docker tag "$image" "$repository:dev"
	forget_older
	images+=("$image")
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

# load puts into the node, in one go, the images that it does not hold: a tag says what is inside. kind would ask the node for each
# by a program that no cluster needs.
load() {
	local held missing=() image
	held=$(docker exec "$node" ctr -n k8s.io images ls -q)
	for image in "$@"; do grep -qxF "docker.io/library/$image" <<<"$held" || missing+=("$image"); done
	[ ${#missing[@]} -eq 0 ] || step "load ${missing[*]}" transfer "${missing[@]}"
}

transfer() { docker save "$@" | docker exec -i "$node" ctr -n k8s.io images import --local -; }

main() {
	engine_up
	local name ours=() images=()
	[ $# -gt 0 ] || set -- versitygw daemon sample
	for name in "$@"; do
		case $name in daemon | sample | builder) ours+=("$name") ;; esac
	done
	[ ${#ours[@]} -eq 0 ] || "$here/ours.sh" "${ours[@]}" >/dev/null
	for name in "$@"; do one "$name"; done
	if [ "$(docker inspect -f '{{.State.Running}}' "$node" 2>/dev/null)" = true ]; then load "${images[@]}"; fi
	printf '%s\n' "${images[@]}"
}

locked image main "$@"
