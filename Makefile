# Everything a person or CI does with this tree. Needs Go and make; the rest, if missing, is installed
# by scripts/install-deps as root, which says what for.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# mkfs and losetup live here, and an ordinary user's PATH may lack it.
export PATH := $(PATH):/usr/sbin:/sbin

# The version is what git says, in a tree that has its own .git; a tarball's packager passes VERSION=1.2.3.
VERSION ?= $(or $(shell test -e .git && git describe --tags --always --dirty 2>/dev/null),unknown)
PREFIX ?= /usr/local
# How long each fuzz target runs, and each torture test may. What the latter counted is kept in build/torture, and added up.
FUZZTIME ?= 30s
TORTURE ?= 10m
# Only the mutants whose name matches this regular expression.
MUTANTS ?=

# Tests with these names are not run with the others: see "Tests" in CONTRIBUTING.md.
LONG := ^Test(Enumerate|Script)
HARSH := ^TestTorture

GOTESTSUM := go tool gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --hide-summary skipped

.PHONY: help
help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# RBD images of Ceph are read and written by librbd, where its headers are, and gcc. CEPH=0 leaves that out, and then the
# program is static; CEPH=1 insists on it. The tests insist on it, unless CEPH=0.
CEPH ?=
LIBRBD = $(and $(wildcard /usr/include/rbd/librbd.h),$(shell type -P gcc))
TAGS = $(if $(filter 0,$(CEPH)),,$(if $(CEPH)$(LIBRBD),ceph))
TESTTAGS = $(if $(filter 0,$(CEPH)),,ceph)

.PHONY: build
build: ## build/varve: with Ceph RBD where librbd-dev is; CEPH=0: without, one static program
	@mkdir -p build
	$(if $(TAGS)$(filter 0,$(CEPH)),,@echo "librbd-dev or gcc is not here: varve will not know Ceph RBD" >&2)
	CGO_ENABLED=$(if $(TAGS),1,0) go build -tags "$(TAGS)" -trimpath -ldflags '-X main.version=$(VERSION)' -o build/varve ./cmd/varve

.PHONY: man
man: build ## the pages of the manual, in build/man
	@rm -rf build/man && scripts/man build/varve build/man

SHARE = $(DESTDIR)$(PREFIX)/share

.PHONY: install
install: man ## program, manual, completions, units of systemd and an example to PREFIX (/usr/local)
	install -D -m 0755 build/varve $(DESTDIR)$(PREFIX)/bin/varve
	install -d $(DESTDIR)$(PREFIX)/sbin
	ln -sfn ../bin/varve $(DESTDIR)$(PREFIX)/sbin/mount.fuse.varve
	install -d $(SHARE)/man/man1 $(SHARE)/man/man5
	install -m 0644 build/man/*.1 $(SHARE)/man/man1
	install -m 0644 build/man/*.5 $(SHARE)/man/man5
	install -D -m 0644 cmd/varve/completion.bash $(SHARE)/bash-completion/completions/varve
	install -D -m 0644 cmd/varve/completion.zsh $(SHARE)/zsh/site-functions/_varve
	install -D -m 0644 cmd/varve/completion.fish $(SHARE)/fish/vendor_completions.d/varve.fish
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0644 systemd/* $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed -i 's|/usr/bin/varve|$(PREFIX)/bin/varve|' $(DESTDIR)$(PREFIX)/lib/systemd/system/varve-*.service
	install -D -m 0644 docs/varve.example.yaml $(SHARE)/doc/varve/varve.example.yaml
	install -d $(SHARE)/doc/varve/decisions
	install -m 0644 docs/*.md LICENSE CHANGELOG.md $(SHARE)/doc/varve
	install -m 0644 docs/decisions/*.md $(SHARE)/doc/varve/decisions
	install -d $(SHARE)/doc/varve/monitoring
	install -m 0644 docs/monitoring/* $(SHARE)/doc/varve/monitoring

.PHONY: deb
deb: ## a Debian package, build/varve.deb
	@rm -rf build/deb
	@$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/build/deb PREFIX=/usr >/dev/null
	@gzip -9nf build/deb/usr/share/man/man*/*
	@scripts/deb build/deb '$(VERSION)' build/varve.deb

.PHONY: demo
demo: build ## a disk, three nights, three restores, with a word on each
	@scripts/install-deps demo
	@scripts/demo build/varve

# Packages whose tests mount file systems, or start processes that get copies of all mounts: what one unmounts while another has a copy is
# in use still. So they take turns, beside all others.
MOUNTING := /(cmd/varve|drill|filecopy|fusemount|internal/doctest|internal/mountinfo|internal/proof/machine|loopmount|volume/filevolume)$$
ALONE = -p 1 $$(go list -tags "$(TESTTAGS)" ./... | grep -E '$(MOUNTING)')

# Those that take longest begin first, so that no core is idle in the end.
LONGEST := ./internal/proof ./repository ./internal/proof/cluster ./internal/proof/interleave ./internal/proof/rot
BESIDE = -p $$(nproc) $(LONGEST) $$(go list -tags "$(TESTTAGS)" ./... | grep -vE '$(MOUNTING)')

# -count=1: a property test that passed on yesterday's seeds is run on today's. An enumeration makes worlds and throws them away: with
# a larger GOGC the collector takes less of the time.
RACE = $(GOTESTSUM) --jsonfile build/test-$(1).json -- -tags "$(TESTTAGS)" -count=1 -race -timeout 40m -skip '$(LONG)|$(HARSH)'
PLAIN = GOGC=400 $(GOTESTSUM) --jsonfile build/long-$(1).json -- -tags "$(TESTTAGS)" -count=1 -timeout 60m -run '$(LONG)'

.PHONY: test
test: ## every test once: with the race detector, the long enumerations without
	@scripts/install-deps test
	@mkdir -p build && rm -f build/test-*.json build/long-*.json
	@ok=yes; \
	( ok=0; $(call RACE,beside) $(BESIDE) || ok=1; $(call PLAIN,beside) $(BESIDE) || ok=1; exit $$ok ) & beside=$$!; \
	$(call RACE,alone) $(ALONE) || ok=no; \
	$(call PLAIN,alone) $(ALONE) || ok=no; \
	wait $$beside || ok=no; \
	go run ./scripts/testsummary build/test-*.json build/long-*.json || ok=no; \
	test $$ok = yes

.PHONY: torture
torture: ## the tests that hurt it for TORTURE (10m)
	@scripts/install-deps test
	@mkdir -p build && rm -f build/torture.json
	@go test -tags "$(TESTTAGS)" -list '$(HARSH)' ./... | awk '/$(HARSH)/ { print "will run", $$1 }'
	@VARVE_TORTURE=$(TORTURE) $(GOTESTSUM) --jsonfile build/torture.json -- -tags "$(TESTTAGS)" -count=1 -timeout 0 -p 1 -run '$(HARSH)' ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: mutants
mutants: ## break the durability on purpose, each way in turn, and see that a test notices
	@scripts/install-deps test
	@go run ./scripts/mutants -tags '$(TESTTAGS)' $(if $(MUTANTS),-run '$(MUTANTS)')

.PHONY: check
check: ## formatting, linters, the import picture, tidiness
	@scripts/check

.PHONY: bench
bench: build ## Varve beside restic, borg, casync and qemu, on one workload, and mounted; and rbd export-diff
	@scripts/install-deps bench $(if $(TAGS),test)
	@scripts/bench/run
	@scripts/bench/mount
	$(if $(TAGS),@scripts/bench/ceph)
