# make run and make test need nothing prepared but Go: .ci/need installs the rest on Debian as root,
# and says elsewhere what to install.

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .tools/golangci-lint-$(GOLANGCI_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME ?= 20s
BENCHFLAGS ?=
TESTFLAGS ?=
SOAK ?= 2h

.DEFAULT_GOAL := help
.PHONY: help run build test test-domain test-pg lint bench bench-scale bench-go fuzz schema viewer faults soak mutants clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: postgres build ## start the ledger with a private PostgreSQL and a demo
	@exec bin/subledger serve

build: ## build bin/subledger
	@go build -buildvcs=false -ldflags "-X main.version=$(VERSION)" -o bin/subledger ./cmd/subledger

test: postgres node curl pgbench ## run every test
	go test -timeout 15m $(TESTFLAGS) ./...

test-domain: ## run the tests of the pure core: seconds, no database
	go test $(TESTFLAGS) ./domain/...

test-pg: postgres ## run the tests that need PostgreSQL
	go test -timeout 15m $(TESTFLAGS) $$(go list ./... | grep -v /domain)

lint: $(GOLANGCI) ## look for mistakes
	$(GOLANGCI) run --allow-parallel-runners ./...

# A binary of its own keeps the linter's hundred modules out of go.mod.
$(GOLANGCI):
	@mkdir -p .tools
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .tools/golangci-lint $@

bench: build postgres pgbench ## measure everything but scale against baselines: five minutes
	@for profile in commands hot check usage rebuild lag mixed noisy; do \
		bin/subledger bench $$profile --rounds 3 --seconds 2 $(BENCHFLAGS) || exit 1; done

bench-scale: build postgres pgbench ## load 10,000,000 events and measure what they change: twenty minutes, 15 GB of disk
	@bin/subledger bench scale $(BENCHFLAGS)

bench-go: postgres ## run the benchmarks beside the code
	go test -run '^$$' -bench . -benchmem $(TESTFLAGS) ./...

# Before Go 1.27 a run may end with "context deadline exceeded" when its time is over (golang/go#75804). A find says so, and where it is.
fuzz: postgres ## run each fuzzer for FUZZTIME (20s), two at a time; finds go to testdata/fuzz
	@grep -rE '^func Fuzz' --include='*_test.go' . | sed -nE 's/^(.*)\/[^/]*:func (Fuzz[A-Za-z0-9_]+).*/\1 \2/p' | sort | \
		xargs -P 2 -L 1 sh -c 'out=$$(go test -run "^$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -parallel 1 $(TESTFLAGS) "$$0" 2>&1) \
			|| { echo "$$out" | grep -qx "    context deadline exceeded" && ! echo "$$out" | grep -qE "Failing input|panic|DATA RACE"; } \
			&& echo "ok $$0 $$1: $$(echo "$$out" | grep "^fuzz: elapsed" | tail -n 1)" || { echo "$$out"; echo "FAIL $$0 $$1"; exit 1; }'

schema: postgres ## write migrations/schema.sql, the schema as reviewers read it
	go test ./migrations -run '^TestSchemaIsCurrent$$' -count=1 -update

viewer: ## fetch what shows the OpenAPI documents at /docs, in the version that handlers/docs/fetch.sh names
	handlers/docs/fetch.sh

faults: postgres pgbouncer strace ## run the long fault tests: an hour
	go test -tags faults -timeout 90m -p 1 -count=1 $(TESTFLAGS) ./internal/faults/...
	go test -tags faults -timeout 10m -count=1 -v -run '^Test(B07|B09|Limiters)' $(TESTFLAGS) ./handlers
	go test -tags faults -timeout 10m -count=1 -v -run '^TestLongStream' $(TESTFLAGS) ./internal/metering

soak: postgres ## run the model test, with fresh seeds, and the fuzzers for SOAK (2h) each; stop at the first failure
	SOAK=$(SOAK) go test -timeout 0 -count=1 ./internal/model -v -rapid.checks=1000000000 $(TESTFLAGS)
	$(MAKE) --no-print-directory fuzz FUZZTIME=$(SOAK)

mutants: postgres ## show that the tests catch every deliberate breakage: ten minutes
	@internal/mutant/prove.sh

clean: ## remove what was built
	rm -rf bin .tools

.PHONY: postgres pgbench node curl pgbouncer strace
postgres:
	@test -n "$$DATABASE_URL" || .ci/need postgres
pgbench node curl pgbouncer strace:
	@.ci/need $@
