# Everything is made by Go, git and bash; the scripts in e2e/cluster fetch or build the rest, into a cache outside this
# tree. `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE   := $(or $(EPILOGUE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/epilogue)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TAGS    := integration,e2e,faults,bench,release,stores,lint,oracle

# The race detector needs a C compiler. Nothing else does, and what is compiled without one, by the flags of the programs that
# e2e/cluster builds, is compiled once for all of them.
RACE := $(if $(shell command -v gcc || command -v clang),-race)
export CGO_ENABLED := 0
# Compilers and linters collect garbage only where they have an eighth of the memory; the tests themselves as always.
THRIFT := GOGC=off GOMEMLIMIT=$(or $(shell awk '/^MemTotal:/ { print int($$2 / 8192) }' /proc/meminfo 2>/dev/null),1024)MiB
TESTS  := -exec 'env -u GOGC -u GOMEMLIMIT'
unit models integration e2e oldest buildkit stores loki-oracle faults bench lint verify update: export GOFLAGS := -trimpath -buildvcs=false -gcflags=all=-dwarf=false

# A linter of this version is built once, from the module that pins it.
LINT_VERSION := $(shell sed -n 's|.*github.com/golangci/golangci-lint/v2 \(v[0-9.]*\).*|\1|p' tools/go.mod)
LINT         := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)

# Packages whose tests compare a generated file with what is committed. What is rendered from the chart takes helm.
GOLDEN = $(shell grep -rl --include='*_test.go' '"github.com/epilogue-dev/epilogue/golden"' . | xargs -n 1 dirname | sort -u)
RENDERED = EPILOGUE_E2E_HELM=$$(e2e/cluster/binaries.sh helm) go test -tags e2e -run UpToDate ./deploy

# How many schedules of each model `make models` plays.
SEEDS ?= 20000

.PHONY: help build test unit unit-beside models integration e2e oldest buildkit stores loki-oracle faults bench fuzz lint verify vuln \
  update image chart reproduce dockerfile release-check cold cluster cluster-delete kubeconfig demo demo-clean clean
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/epilogue and bin/kubectl-epilogue
	go build -trimpath -buildvcs=auto -ldflags "$(LDFLAGS)" -o bin/epilogue ./cmd/daemon
	go build -trimpath -buildvcs=auto -ldflags "$(LDFLAGS)" -o bin/ ./cmd/kubectl-epilogue

test: ## Run every test: unit and e2e side by side, for one computes and the other waits, then integration
	@$(MAKE) --no-print-directory -j2 e2e unit-beside
	@$(MAKE) --no-print-directory integration

# What only integration needs is built while e2e waits.
unit-beside:
	@nice -n 10 $(MAKE) --no-print-directory unit
	@[ -z "$(RACE)" ] || nice -n 10 $(MAKE) --no-print-directory models SEEDS=
	@nice -n 10 e2e/cluster/binaries.sh prometheus promtool >/dev/null

unit: ## Run the unit tests, under the race detector where there is a C compiler
	@test -n "$(RACE)" || echo "unit: no C compiler, so no race detector"
	CGO_ENABLED=$(if $(RACE),1,0) $(THRIFT) go test $(RACE) $(TESTS) -timeout 20m ./...

models: ## Play SEEDS random schedules of each model, 20000 unless it is set, for hours; with SEEDS= as many as make test
	$(if $(SEEDS),EPILOGUE_MODEL_SEEDS=$(SEEDS)) go test -count=1 -timeout 48h -run 'Model|Property|DoesNotAllocate' ./archive/... ./watch/...

integration: ## Run the tests against a real API server, etcd and S3 server
	@vars=$$(e2e/cluster/env.sh integration); eval "$$vars"; \
	  $(THRIFT) go test -tags integration $(TESTS) -count=1 -timeout 20m ./integration/... ./archive/s3/...

e2e: ## Run the end-to-end tests on the kind cluster
	@vars=$$(e2e/cluster/env.sh e2e); eval "$$vars"; \
	  $(THRIFT) go test -tags e2e $(TESTS) -count=1 -timeout 30m ./e2e/... ./deploy/...

oldest: ## Run the integration tests against the oldest Kubernetes, 1.24 (its build takes some minutes, once)
	@vars=$$(e2e/cluster/env.sh oldest); eval "$$vars"; go test -tags integration -count=1 -timeout 20m ./integration

buildkit: ## Build an image on the kind cluster by the launcher's default builder, BuildKit without root (a long build, once)
	@vars=$$(e2e/cluster/env.sh buildkit); eval "$$vars"; go test -tags e2e,buildkit -count=1 -timeout 15m -run TestBuildKit ./e2e

stores: ## Run over other S3 servers, STORES or all of docs/stores.md (SeaweedFS and MinIO take an hour to build, once)
	@vars=$$(e2e/cluster/env.sh stores $(STORES)); eval "$$vars"; go test -tags stores -count=1 -timeout 60m -v -run TestStores ./archive/s3

loki-oracle: ## Compare Loki's API with a real Loki and logcli, and keep their answers (their build takes some 20 minutes, once)
	serve/loki/oracle/run.sh

faults: ## Run the whole fault suite, slow cases too
	@vars=$$(e2e/cluster/env.sh integration); eval "$$vars"; \
	  go test -tags integration,faults -count=1 -timeout 60m -run Fault ./integration/... ./archive/... ./watch/...

bench: ## Run the benchmarks
	@vars=$$(e2e/cluster/env.sh integration); eval "$$vars"; \
	  go test -tags integration,bench -run '^$$' -bench . -benchmem -timeout 60m ./...

fuzz: FUZZTIME ?= 30s
fuzz: ## Run each fuzz test for FUZZTIME (30s)
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|\(.*\)/[^/]*:func |\1 |' | while read -r dir name; do \
	  go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$dir"; done

lint: $(LINT) ## Run golangci-lint
	$(THRIFT) $(LINT) run --build-tags $(TAGS) ./...

$(LINT):
	@echo "build golangci-lint $(LINT_VERSION) (a minute or three, once)"
	@mkdir -p $(@D) && $(THRIFT) go build -C tools -o $@.tmp github.com/golangci/golangci-lint/v2/cmd/golangci-lint && mv $@.tmp $@

verify: lint ## Check formats, vet, lint, modules, scripts and generated files; needs no network once warm
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$bad" || { echo "gofmt: $$bad"; exit 1; }
	$(THRIFT) go vet -tags $(TAGS) ./...
	go mod tidy -diff
	go mod verify
	@for f in $$(git ls-files -co --exclude-standard '*.sh' .ci/run); do bash -n "$$f"; done
	go test $(GOLDEN)
	EPILOGUE_LINT=$(LINT) go test -tags lint -run TestWalls ./archive
	$(RENDERED)
	@e2e/cluster/aligned.sh
	@release/vuln.sh --if-reachable

vuln: ## Look for known vulnerabilities that the programs reach; asks vuln.go.dev
	@release/vuln.sh

update: ## Repair what verify rejects: generated files, formats, go.mod
	@e2e/cluster/aligned.sh --repair
	go test $(GOLDEN) -update
	$(RENDERED) -update
	gofmt -l -w $$(git ls-files -co --exclude-standard '*.go')
	go mod tidy

image: ## Build the images, and load them where the cluster runs
	@e2e/cluster/image.sh

chart: ## Lint and package the Helm chart into dist/
	@helm=$$(e2e/cluster/binaries.sh helm); $$helm lint --strict deploy/chart/epilogue; $$helm package deploy/chart/epilogue -d dist

reproduce: ## Build the programs twice from nothing, and compare
	@release/reproduce.sh

dockerfile: ## Build the image of the Dockerfile, which compiles inside, and compare it; Go's image or a stand-in
	@release/dockerfile.sh

release-check: ## Make all of a release that needs no registry and no key; see docs/releasing.md
	@release/check.sh

cluster: ## Give a Ready kind cluster named epilogue
	@e2e/cluster/up.sh

cluster-delete: ## Delete that cluster
	@e2e/cluster/down.sh

kubeconfig: ## Print the path of its kubeconfig
	@echo $(CACHE)/kubeconfig

demo: ## Show a log that outlives its pod, on the kind cluster
	@vars=$$(e2e/cluster/env.sh demo); eval "$$vars"; "$$EPILOGUE_DEMO"

cold: ## Run make demo as on a new machine, in a scratch folder with an engine of its own, and print what each step took (CI=1: .ci/run too)
	@e2e/cluster/cold.sh

demo-clean: ## Remove what the demo left
	@KUBECONFIG=$(CACHE)/kubeconfig $$(e2e/cluster/ours.sh demo) clean

clean: ## Remove what was built in this tree (the cache stays)
	rm -rf bin dist
