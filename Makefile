# Parley. Everything that it needs comes by `make`: Go modules, and pinned tools
# that are in no go.mod.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT := go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: web bin/parley ## build and start everything in one process (more: make run ARGS="--gateways 3")
	./bin/parley up $(ARGS)

.PHONY: build
build: web bin/parley bin/gateway bin/history ## build all programs into bin/

WEB := web/app/dist/index.html
WEB_SOURCES = web/package-lock.json $(shell find web/app web/sdk \( -name node_modules -o -name dist -o -name test \) -prune -o -type f -print 2>/dev/null)

.PHONY: web
web: $(WEB) ## build the chat for the browser, which `parley up` serves (needs Node.js)

$(WEB): web/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "building the chat for the browser"
	@cd web && npm run --silent build --workspace app

web/node_modules/.package-lock.json: web/package-lock.json
	@node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || { \
	  echo "The chat for the browser is built with Node.js 20 or later and npm, and they are not here."; \
	  echo "Install them (Debian 13: apt install nodejs npm; others: https://nodejs.org), or leave the chat out:"; \
	  echo "  make bin/parley && ./bin/parley up"; exit 1; }
	@echo "fetching what the chat is built with"
	@cd web && for try in 1 2 3; do \
	  npm ci --no-audit --no-fund --loglevel=error && exit 0; \
	  echo "npm ci failed; the network may have: try $$try of 3"; \
	done; exit 1
	@touch $@

.PHONY: bin/parley bin/gateway bin/history
bin/parley:
	@echo "building parley $(VERSION)"
	@$(GOBUILD) -o $@ ./services/parley/cmd/parley
bin/gateway:
	@echo "building gateway $(VERSION)"
	@GOWORK=off $(GOBUILD) -o $@ ./services/gateway/cmd/gateway
bin/history:
	@echo "building history $(VERSION)"
	@GOWORK=off $(GOBUILD) -o $@ ./services/history/cmd/history

.PHONY: test
test: lint web-test ## all checks and tests: linters, the chat in a browser, then every Go test with the race detector
	@echo "== tests (the first run builds a MongoDB-wire server, which takes some minutes)"
	go test -race -timeout 20m work
	@echo "== fuzzers, some hundred or thousand inputs each"
	@$(MAKE) --no-print-directory fuzz FUZZTIME=

.PHONY: web-test
web-test: web bin/parley ## check and test the client and the chat, in a real browser too (about 3 minutes; some tests: make web-test ARGS=groups)
	@echo "== the client and the chat: types and unit tests"
	@cd web && npm run --silent check
	@cd web && PARLEY_BIN=$(CURDIR)/bin/parley npm run --silent test
	@echo "== the chat in a browser"
	@node web/e2e/scripts/browser.mjs
	@cd web && PARLEY_BIN=$(CURDIR)/bin/parley npm run --silent test:browser --workspace @parley-chat/e2e -- $(ARGS)

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	@echo "== gofmt"
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	@echo "== go vet"
	go vet work
	go vet -tags mutants,failpoints ./services/gateway/... ./pkg/mutant
	@echo "== staticcheck"
	$(STATICCHECK) ./...
	cd services/parley && $(STATICCHECK) ./...

.PHONY: verify
verify: bin/parley ## prove the delivery contract on three gateways of this machine
	./bin/parley verify --quick $(ARGS)

.PHONY: drill
drill: ## break a cluster in every way, under load (about 15 minutes; more: make drill ARGS="--short")
	@go run ./services/parley/cmd/parley-drill $(ARGS)

.PHONY: rolling
rolling: ## restart three gateway processes in turn under load, and judge (about 1 minute; more: make rolling ARGS="--svg picture.svg")
	@go run ./services/parley/cmd/parley-rolling --idle 600 $(ARGS)

.PHONY: mutants
mutants: ## build defects in, and show which test catches each (about 1 minute; some: make mutants ARGS="--only job-unfenced")
	@go run ./services/parley/internal/mutants/cmd/mutants $(ARGS)

.PHONY: dashboard
dashboard: ## run a cluster with faults and draw its dashboard into docs/dashboard.svg (about 3 minutes)
	@go run ./services/parley/cmd/parley-dashboard $(ARGS)

.PHONY: contracts
contracts: ## write openapi.json and asyncapi.json from the Go types; refuses what breaks clients
	@go run ./pkg/contract/cmd/contracts

.PHONY: routes
routes: ## measure routing over 1 to 16 pods, in NATS and in gateways (about 7 minutes)
	go test ./services/gateway -run '^$$' -bench 'BenchmarkRouting$$|BenchmarkUsersSubjects' -benchtime 1x -timeout 30m
	go test ./services/gateway -run '^$$' -bench BenchmarkSkip

# With a time, go test fails now and then as it is over ("context deadline exceeded",
# golang/go#75804, mended in Go 1.27). So make test has none, and each fuzzer the number
# of inputs that it names: as many as it tries in a few seconds.
FUZZTIME ?= 1m
FUZZERS := pkg/wire:FuzzPlain:3000 pkg/wire:FuzzDecode:3000 pkg/auth:FuzzVerify:3000 pkg/auth:FuzzToken:3000 pkg/auth:FuzzKeySet:3000 pkg/rest:FuzzRequest:3000 pkg/rest:FuzzOrigin:3000 \
	pkg/guard:FuzzForwarded:3000 pkg/search:FuzzAnalyze:3000 pkg/search:FuzzQuery:3000 pkg/chat:FuzzValidEmoji:3000 services/gateway:FuzzREST:300 services/gateway/internal/command:FuzzCommand:1000 \
	services/gateway/internal/route:FuzzParseEnvelope:3000 services/gateway/internal/thumb:FuzzMake:500 services/parley/pebblestore:FuzzEntry:200 services/parley/pebblestore:FuzzDocuments:200

.PHONY: fuzz
fuzz: ## fuzz what reads foreign bytes, a minute each (shorter: make fuzz FUZZTIME=3s)
	@set -e; for f in $(FUZZERS); do inputs=$${f##*:}; f=$${f%:*}; echo "== $${f#*:} in $${f%:*}"; \
	go test -run '^$$' -fuzz "^$${f#*:}\$$" -fuzztime $(or $(FUZZTIME),$${inputs}x) -fuzzminimizetime 1000x ./$${f%:*}; done

.PHONY: bench
bench: ## measure Parley beside bare programs and keep the shares (about 12 minutes; to see it work: make bench ARGS=--quick)
	@go run ./services/parley/cmd/parley-bench $(ARGS)

.PHONY: bench-check
bench-check: ## measure again; fails if a share has got worse by more than 10 % (about 12 minutes)
	@go run ./services/parley/cmd/parley-bench --check $(ARGS)

COUNT ?= 6
OLD ?=

.PHONY: bench-go
bench-go: SHELL := bash
bench-go: .SHELLFLAGS := -o pipefail -c
bench-go: ## Go benchmarks of each step, summarised (more: COUNT=10, OLD=build/before.txt to compare)
	@mkdir -p build
	go test -run '^$$' -bench . -benchmem -count $(COUNT) ./pkg/wire ./services/gateway/internal/... | tee build/bench-go.txt
	go test -run '^$$' -bench . -benchmem -count $(COUNT) ./services/parley/pebblestore | tee -a build/bench-go.txt
	@$(BENCHSTAT) $(OLD) build/bench-go.txt

.PHONY: scaling
scaling: ## renew the tables of docs/scaling.md from docs/unit-costs.json
	@go run ./services/parley/cmd/parley simulate --table --into docs/scaling.md

.PHONY: authorisation
authorisation: ## write the tables of docs/authorisation.md: who may do what
	PARLEY_WRITE_AUTHORISATION=1 go test -count=1 -run TestDocument ./pkg/contract/authz

.PHONY: costs
costs: ## measure what each action costs the store, and renew docs/costs.md (about 1 minute)
	PARLEY_WRITE_COSTS=1 go test -count=1 -run 'TestDocument|TestTimes' ./services/parley/internal/costs

.PHONY: transcripts
transcripts: ## renew docs/transcripts.md: real requests and frames of each feature
	PARLEY_WRITE_TRANSCRIPTS=1 go test -count=1 -run TestTranscripts ./services/parley/internal/transcript

.PHONY: clean
clean: ## remove what was built; data/ stays
	rm -rf bin
