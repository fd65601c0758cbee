# One Makefile for everything; sources are found by directory, all output goes to $(O).
O      ?= build
PREFIX ?= /usr/local

PACKAGES := gcc make pkg-config libev-dev libssl-dev libinih-dev libjansson-dev libisal-dev libiscsi-dev check \
            python3 python3-pytest python3-pytest-xdist libiscsi-bin qemu-utils qemu-block-extra tshark
MODULES  := openssl inih jansson libisal libiscsi

CC       ?= gcc
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -MMD -MP -Wall -Wextra -Werror -fno-strict-aliasing \
             $(CFLAGS) $(SANITIZE) $(shell pkg-config --cflags $(MODULES) check)
LIBS     = -lev $(shell pkg-config --libs openssl jansson libisal) -lpthread
SANITIZE =

sources = $(wildcard $(addsuffix /*.c,$(1)))
objects = $(patsubst %.c,$(O)/obj/%.o,$(filter-out %/main.c,$(call sources,$(1))))

BASE        := $(call objects,target/base)
ISCSI       := $(call objects,target/iscsi)
TARGET      := $(BASE) $(ISCSI) $(call objects,target target/scsi target/disk)
PORTALGROUP := $(BASE) $(ISCSI) $(call objects,portalgroup)
SIM_CLUSTER := $(BASE) $(call objects,sim-cluster)
UNIT_TESTS  := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
PROGRAMS    := $(O)/target $(O)/portalgroup $(O)/sim-cluster

.DELETE_ON_ERROR:
.PHONY: all deps run demo test unit integration asan layers format install clean

all: $(PROGRAMS)

$(O)/target: $(O)/obj/target/main.o $(TARGET)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

$(O)/portalgroup: $(O)/obj/portalgroup/main.o $(PORTALGROUP)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

$(O)/sim-cluster: $(O)/obj/sim-cluster/main.o $(SIM_CLUSTER)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS) $(shell pkg-config --libs inih libiscsi)

$(O)/obj/%.o: %.c | deps
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# A unit test links every module but the main ones; the linker takes what it needs.
$(O)/unit.a: $(TARGET) $(PORTALGROUP) $(SIM_CLUSTER)
	@rm -f $@
	ar rcs $@ $(sort $^)

$(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/unit.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS) $(shell pkg-config --libs inih libiscsi check)

unit: $(UNIT_TESTS)
	@for test in $^; do CK_VERBOSITY=minimal $$test || exit 1; done

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
