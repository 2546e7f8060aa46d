# SPDX-License-Identifier: Apache-2.0
#
# The project's verbs. `make demo` and `make test` install what they need on Debian when run as root, and say exactly what
# is missing otherwise.

SHELL := /bin/bash
GO ?= go
# A clone that belongs to another user makes git, and so the version stamp of go build, fail.
VCS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)
LINTER := .cache/bin/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help build demo test test-kernel lint bench bench-kernel fuzz sim soak unit race e2e docs interop helm deploy image dist clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the commands into bin/
	@scripts/deps build
	$(GO) build $(VCS) -trimpath -o bin/ ./cmd/...

demo: ## the main job: core, N3IWF and a UE that moves; writes demo-report.html (JSON=FILE writes the numbers too)
	@scripts/deps demo
	@$(MAKE) --no-print-directory build
	bin/nwulab demo --html demo-report.html $(if $(JSON),--json $(JSON)) $(ARGS)

test: ## everything that this machine can test
	@scripts/deps test
	@scripts/test

test-kernel: ## what needs a kernel with ESP and SCTP, on Debian's and Debian 11's in QEMU; ARGS="-v -run Move ipsec" chooses
	@scripts/deps test
	$(GO) run $(VCS) ./test/vm $(ARGS)
ifeq ($(ARGS),)
	$(GO) run $(VCS) ./test/vm -kernel bullseye
endif

unit race e2e docs interop:
	@scripts/deps test
	@scripts/test $@

lint: $(LINTER) ## golangci-lint with .golangci.yml
	$(LINTER) run

# The linter is a module like any other, pinned in tools/go.sum; its first build takes about a minute.
$(LINTER): tools/go.mod tools/go.sum
	@echo "building golangci-lint (once)"
	@mkdir -p $(@D)
	@cd tools && $(GO) build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

helm: ## the chart: lint, schema, strict rendering for each way to attach, upgrade from the last release
	@scripts/deps build
	@mkdir -p .cache/bin
	$(GO) build $(VCS) -o .cache/bin/n3iwf ./cmd/n3iwf
	cd tools/helm && $(GO) run . -n3iwf $(CURDIR)/.cache/bin/n3iwf

image: ## container images of n3iwf and nwulab in bin/, without Docker and without any registry: docker load -i bin/n3iwf.image.tar
	@scripts/deps build
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags "-s -w" -o .cache/image/ ./cmd/...
	@mkdir -p bin
	$(GO) run $(VCS) ./deploy/image -binary .cache/image/n3iwf -name n3iwf:$(or $(VERSION),latest) -cmd run -ports 500/udp,4500/udp,2152/udp,9464/tcp -o bin/n3iwf.image.tar
	$(GO) run $(VCS) ./deploy/image -binary .cache/image/nwulab -name nwulab:$(or $(VERSION),latest) -user "" -o bin/nwulab.image.tar

deploy: image ## compose files, images, alert rules and dashboard, as Docker Compose, registries' clients and Prometheus read them
	@mkdir -p .cache/bin
	$(GO) build $(VCS) -o .cache/bin/n3iwf ./cmd/n3iwf
	cd tools/deploy && $(GO) run . -n3iwf $(CURDIR)/.cache/bin/n3iwf

bench: ## measure; writes bench.json
	@scripts/deps build
	$(GO) run $(VCS) ./test/bench -json bench.json $(ARGS)

bench-kernel: ## measure the data plane in the kernel, in QEMU; writes bench-kernel.json
	@scripts/deps test
	$(GO) run $(VCS) ./test/vm -v -artefacts . bench

fuzz: ## run every fuzz target for FUZZTIME each (default 60s)
	@scripts/deps build
	@scripts/fuzz

sim: ## UEs and gateways in a simulated network, in virtual time: SEEDS=2500 FROM=1
	@$(GO) run $(VCS) ./test/sim -seeds $(or $(SEEDS),2500) -from $(or $(FROM),1)

soak: ## what needs long: 100,000 seeds of the simulation, long fuzzing (FUZZTIME=120s), the protocol tests twenty times
	@scripts/deps build
	@$(MAKE) --no-print-directory sim SEEDS=$(or $(SEEDS),100000)
	@FUZZTIME=$(or $(FUZZTIME),120s) scripts/fuzz
	$(GO) test -count=20 -timeout 2h ./ikev2/... ./nwu/ipsec/esp/... ./test/sim

dist: ## what is handed out: tar files, Debian packages, images, SBOM and checksums in dist/; VERSION=1.2.3 ARCH=amd64,arm64
	@scripts/deps build
	$(GO) run $(VCS) ./deploy/dist -o dist $(if $(VERSION),-version $(VERSION)) $(if $(ARCH),-arch $(ARCH))
	@cat dist/SHA256SUMS

clean: ## remove what was built
	rm -rf bin dist .cache demo-report.html demo.json
