#!/usr/bin/env bash
# dockerfile.sh builds the image of the root's Dockerfile from the last commit, runs it as the chart does, and compares its program with
# one that is compiled here from the same commit: the bytes are the same where the compilers are. Some minutes, for what is built
# inside an image finds nothing that is compiled already.
#
# Where Go's image cannot be pulled a stand-in takes its place: Debian with git, and this machine's Go and modules. Then Go's image
# is what was not tried. The layers stay in the engine's build cache, gigabytes of them: docker builder prune.
set -euo pipefail
. "$(dirname "$0")/../e2e/cluster/lib.sh"
. "$here/engine.sh"

golang=$(sed -n 's/^ARG BUILDER=//p' "$root/Dockerfile")
standin=epilogue-golang:standin
image=epilogue-dockerfile:test
version=v0.0.0-dockerfile
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"; docker rmi -f "$image" "$standin" >/dev/null 2>&1 || true' EXIT

# with_buildkit sets builder to the first docker on the PATH whose build has BuildKit: a newer one needs a plugin for that.
with_buildkit() {
	for builder in $(type -ap docker); do
		if printf 'FROM scratch\nLABEL a=b\n' | DOCKER_BUILDKIT=1 "$builder" build -q -t "$image" - >/dev/null 2>&1; then return; fi
	done
	die "no docker on the PATH builds with BuildKit, which the Dockerfile needs: install its plugin buildx"
}

# choose_builder sets from.
choose_builder() {
	from=$golang
	docker image inspect "$golang" >/dev/null 2>&1 && return
	timeout 60 docker pull -q "$golang" >/dev/null 2>"$work/said" && return
	say "not pulled: $(tail -n 1 "$work/said" | cut -c1-150)"
	"$here/node-image.sh" >/dev/null # makes the Debian, too
	from=$standin
	step "make a stand-in for $golang" make_standin
}

make_standin() {
	local dir=$work/standin
	mkdir -p "$dir"
	cp -r "$(go env GOROOT)" "$dir/go"
	cp /etc/ssl/certs/ca-certificates.crt "$dir/"
	(cd "$root" && GOMODCACHE=$work/modules GOFLAGS=-modcacherw GOPROXY=file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY) go mod download)
	mv "$work/modules/cache/download" "$dir/modules"
	cat >"$dir/Dockerfile" <<-EOF
		FROM epilogue-debian:$NODE_DEBIAN
		RUN apt-get update && apt-get install -y --no-install-recommends git
		COPY ca-certificates.crt /etc/ssl/certs/
		COPY go /usr/local/go
		COPY modules /modules
		ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		ENV GOTOOLCHAIN=local GOPATH=/go GOPROXY=file:///modules
	EOF
	DOCKER_BUILDKIT=1 "$builder" build --network=host -t "$standin" "$dir"
}

# compare fails where the compiler is the same and the bytes are not.
compare() {
	local box inside outside
	box=$(docker create "$image")
	docker cp "$box:/epilogue" "$work/inside" >/dev/null 2>&1
	docker rm "$box" >/dev/null
	(cd "$work/source" && CGO_ENABLED=0 go build -trimpath -buildvcs=true -ldflags "-s -w -X main.version=$version" -o "$work/outside" ./cmd/daemon)
	inside=$(go version "$work/inside") outside=$(go version "$work/outside")
	if [ "${inside#*: }" != "${outside#*: }" ]; then
		say "compiled by ${inside#*: } inside and by ${outside#*: } here: the bytes cannot be compared"
		return
	fi
	sha256sum "$work/inside" "$work/outside" | sed "s|$work/||" >&2
	cmp "$work/inside" "$work/outside" || die "the image's program is not the one that is compiled here"
}

main() {
	engine_up
	with_buildkit
	git clone -q "$root" "$work/source"
	choose_builder
	step "build $image" env DOCKER_BUILDKIT=1 "$builder" build --build-arg "BUILDER=$from" --build-arg "VERSION=$version" -t "$image" "$work/source"
	docker run --rm --network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges "$image" version | tee "$work/version"
	grep -q "^epilogue $version " "$work/version" || die "want the version $version"
	[ "$(docker image inspect -f '{{.Config.User}} {{.Config.Entrypoint}} {{len .RootFS.Layers}}' "$image")" = "65532:65532 [/epilogue] 1" ] ||
		die "want one layer, user 65532:65532 and the entrypoint /epilogue"
	compare
	say "$image from $from: $(docker image inspect -f '{{.Size}}' "$image") bytes"
}

main
