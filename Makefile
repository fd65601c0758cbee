# One Makefile for everything; sources are found by directory, all output goes to $(O).
O       ?= build
PREFIX  ?= /usr/local
SANITIZE =
CFLAGS  ?= -O2 -g
ifeq ($(origin CC),default)
CC = gcc
endif

# "make asan" builds with sanitizers; "make asan test" tests that build.
ifneq ($(filter asan,$(MAKECMDGOALS)),)
override O := $(O)/asan
CFLAGS   := -O1 -g -fno-omit-frame-pointer
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
export TEST_PATIENCE ?= 3
# What sanitizers see nothing new in: scripts for Windows, a host that mostly waits, instructions.
TEST_ARGUMENTS := $(addprefix --ignore=tests/integration/,test_windows_kit.py test_windows_kit_run.py test_scenario_windows.py \
                  test_instructions.py)
endif

# The programs are optimised as a whole, which saves a twentieth of a command's time; the many unit
# tests, and builds with sanitizers or another compiler, are not.
ifeq ($(SANITIZE)$(filter-out gcc%,$(notdir $(CC))),)
WHOLE := -flto=auto -ffat-lto-objects
PARTS := -fno-lto
endif

PACKAGES := gcc make pkg-config libc6-dev libev-dev libssl-dev libinih-dev libjansson-dev libisal-dev libiscsi-dev libnl-route-3-dev \
            libseccomp-dev check python3 python3-pytest python3-pytest-xdist libiscsi-bin qemu-utils qemu-block-extra tshark procps \
            nftables iproute2
MODULES  := openssl inih jansson libisal libiscsi libnl-route-3.0 libseccomp check

ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -MMD -MP -Wall -Wextra -Werror -fno-strict-aliasing $(CFLAGS) $(SANITIZE) $(WHOLE) \
             $(shell pkg-config --cflags $(MODULES))
LIBS      = -lev $(shell pkg-config --libs openssl jansson libisal) -lpthread -lm
TOOL_LIBS = $(shell pkg-config --libs inih libiscsi libnl-route-3.0)
CHILD_LIBS = $(shell pkg-config --libs libseccomp)

sources = $(wildcard $(addsuffix /*.c,$(1)))
objects = $(patsubst %.c,$(O)/obj/%.o,$(filter-out %/main.c,$(call sources,$(1))))

BASE        := $(call objects,target/base)
ISCSI       := $(call objects,target/iscsi)
TARGET      := $(ISCSI) $(call objects,target target/scsi target/disk)
PORTALGROUP := $(ISCSI) $(call objects,portalgroup)
SIM_CLUSTER := $(call objects,sim-cluster)
UNIT_TESTS  := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
PROGRAMS    := $(O)/target $(O)/portalgroup $(O)/sim-cluster
BENCH_TOOLS := $(addprefix $(O)/bench/,load logins echo file)

# Goals that a bare machine starts with install what is missing first.
FIRST := $(if $(filter run demo scenarios test bench bench-% profile vm vm-%,$(MAKECMDGOALS)),deps)
PACKAGES += $(if $(filter bench bench-% profile,$(MAKECMDGOALS)),tgt valgrind)
PACKAGES += $(if $(filter test,$(MAKECMDGOALS)),valgrind $(if $(shell command -v npm),,npm))
PACKAGES += $(if $(filter vm vm-%,$(MAKECMDGOALS)),qemu-system-x86 ipxe-qemu mmdebstrap cpio dnsmasq-base)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps run demo scenarios test unit integration fuzz bench bench-quick bench-veth bench-file bench-threads bench-instructions \
        bench-failover bench-faults bench-libiscsi bench-random bench-scale profile vm vm-image vm-test asan layers format install clean

all: $(PROGRAMS)

$(O)/target: $(O)/obj/target/main.o $(TARGET) $(O)/base.a
	$(CC) $(SANITIZE) $(WHOLE) -o $@ $^ $(CHILD_LIBS) $(LIBS)

$(O)/portalgroup: $(O)/obj/portalgroup/main.o $(PORTALGROUP) $(O)/base.a
	$(CC) $(SANITIZE) $(WHOLE) -o $@ $^ $(CHILD_LIBS) $(LIBS)

$(O)/sim-cluster: $(O)/obj/sim-cluster/main.o $(SIM_CLUSTER) $(O)/base.a
	$(CC) $(SANITIZE) $(WHOLE) -o $@ $^ $(TOOL_LIBS) $(CHILD_LIBS) $(LIBS)

$(O)/obj/%.o: %.c | $(FIRST)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Programs take what they need of the base, unit tests of everything but the main modules.
$(O)/base.a: $(BASE)
$(O)/unit.a: $(BASE) $(TARGET) $(PORTALGROUP) $(SIM_CLUSTER)
$(O)/%.a:
	@rm -f $@
	ar rcs $@ $(sort $^)

$(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/unit.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(PARTS) -o $@ $^ $(TOOL_LIBS) $(CHILD_LIBS) $(LIBS) $(shell pkg-config --libs check)

deps:
	@missing=; for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] || { \
	    [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    echo "+ $$sudo apt-get install -y$$missing"; \
	    $$sudo apt-get update -qq && \
	    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	}

run: $(FIRST) all
	@exec $(O)/sim-cluster up -c configs/demo.ini

demo: $(FIRST) all
	@exec $(O)/sim-cluster demo

test: $(FIRST) all $(UNIT_TESTS) $(BENCH_TOOLS) $(O)/powershell/ready
	@tests/run $(O) $(TEST_ARGUMENTS)

unit: $(UNIT_TESTS)
	@for test in $^; do CK_VERBOSITY=minimal $$test || exit 1; done

integration: all $(BENCH_TOOLS) $(O)/powershell/ready
	@BUILD=$(O) /usr/bin/python3 -m pytest -q -rfEs -n 4 tests/integration

# The parser that tests read PowerShell with. Out of reach, those tests are skipped, and say so (CI: fail).
$(O)/powershell/ready: tests/powershell/package.json tests/powershell/package-lock.json | $(FIRST)
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error \
	    --fetch-retries=1 --fetch-retry-mintimeout=1000 >/dev/null && touch $@ \
	    || echo "npm cannot fetch the parser of PowerShell: configs/windows is not tested" >&2

# Linux in virtual machines as the initiator. Without a guest to be had (no mirror) the tests say so and are skipped.
VM_TESTS ?= tests/vm
vm-image: $(FIRST)
	@tests/vm/image.py $(O)/vm

vm: $(FIRST)
	@tests/vm/image.py $(O)/vm
	@BUILD=$(O) tests/vm/shell.py

vm-test: $(FIRST) all
	@tests/vm/image.py $(O)/vm || true
	@BUILD=$(O) /usr/bin/python3 -m pytest -q -rfEs $(VM_TESTS)

# Coverage-guided; ends with the time, or with the first input that breaks something.
FUZZERS      := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
$(O)/fuzz/%: tests/fuzz/%.c tests/fuzz/port.c $(wildcard target/iscsi/*.c target/base/*.c)
	@mkdir -p $(@D)
	clang $(filter-out $(WHOLE),$(ALL_CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $(filter %.c,$^) $(TOOL_LIBS) $(CHILD_LIBS) $(LIBS)

fuzz: $(FUZZERS)
	@for fuzzer in $^; do \
	    mkdir -p $$fuzzer.corpus; \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -artifact_prefix=$$fuzzer. $$fuzzer.corpus \
	        $$(ls -d tests/fuzz/seeds/$${fuzzer##*fuzz_} 2>/dev/null) || exit 1; \
	done

# Every scenario that needs no foreign host, side by side, and its twin that must fail; those of
# long/ take minutes.
scenarios: $(FIRST) all
	@$(O)/sim-cluster run configs/scenarios --twins --junit $(O)/scenarios.xml

# Figures rather than verdicts; they take minutes.
$(O)/bench/load: $(O)/obj/tests/bench/load_session.o
$(O)/bench/file: $(O)/obj/tests/bench/file_ways.o $(O)/obj/tests/bench/file_uring.o
$(O)/bench/%: $(O)/obj/tests/bench/%.o $(O)/obj/tests/bench/common.o $(O)/obj/tests/bench/login.o
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(PARTS) -o $@ $^ $(shell pkg-config --libs libisal)

bench bench-quick bench-veth: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/bench.py $(if $(filter bench-quick,$@),--quick) \
	    $(if $(filter bench-veth,$@),--veth) \
	    --json $(O)/$@.json --svg $(O)/$@.svg

bench-file: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/file_ways.py --json $(O)/$@.json

# A verdict: two loop threads serve at least 1.6 times as much as one.
bench-threads: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/threads.py --json $(O)/$@.json

# A verdict, which the tests ask for, too: instructions of a 4 KiB read and write may not grow.
bench-instructions: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/instructions.py

profile: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/instructions.py --listing $(O)/profile.txt

bench-failover: $(FIRST) all
	@BUILD=$(O) /usr/bin/python3 tests/bench/failover.py --json $(O)/bench-failover.json

bench-scale: $(FIRST) all $(BENCH_TOOLS)
	@BUILD=$(O) /usr/bin/python3 tests/bench/scale.py --json $(O)/$@.json

bench-faults: $(FIRST) all
	@BUILD=$(O) /usr/bin/python3 tests/bench/fault_cost.py --json $(O)/bench-faults.json

bench-libiscsi: $(FIRST) all
	@BUILD=$(O) /usr/bin/python3 tests/bench/libiscsi_suite.py --json $(O)/bench-libiscsi.json

bench-random: $(FIRST) all
	@BUILD=$(O) /usr/bin/python3 tests/bench/random_commands.py

asan: all

layers:
	@tests/layers

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/sim-cluster $(DESTDIR)$(PREFIX)/share/man/man1
	install $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	cp -r --no-preserve=mode,ownership configs/. $(DESTDIR)$(PREFIX)/share/sim-cluster
	install -m 644 $(wildcard sim-cluster/*.1) $(DESTDIR)$(PREFIX)/share/man/man1

clean:
	rm -rf $(O)

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
