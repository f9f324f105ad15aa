# mintmark: `make demo` and `make test` do all the set-up themselves.
# `make` builds; see README.md for the other targets.

BUILD ?= build
ROOMS := protocol log ca signer policy hsm factory server cli

PKGS := gnutls libp11 libcrypto libcbor libsodium sqlite3 libseccomp \
	libconfuse jansson smartcols p11-kit-1 libsystemd
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# libev ships no .pc file; libsystemd is the supervisor's alone (dlopen-free,
# so --as-needed keeps it out of mintmark).
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lev -ldl

CSTD := -std=c17 -D_GNU_SOURCE -D_FORTIFY_SOURCE=3
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wformat=2 -Wvla -Wwrite-strings -Werror
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fno-strict-aliasing 
OPT ?= -O2 -g
CFLAGS_ALL := $(CSTD) $(WARN) $(HARDEN) $(OPT) $(SANITIZE) \
	-I. -isystem /usr/include/p11-kit-1 $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed \
	$(SANITIZE) $(LDFLAGS)

src = $(sort $(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# The programs' main files stay out of the rooms' archives.
MAINS := server/main.c cli/main.c
room_objects = $(call objects,$(filter-out $(MAINS),$(call src,$(1))))
# Upper rooms first: the linker reads them from left to right.
archives = $(patsubst %,$(BUILD)/lib/%.a,$(1))
LINK_ALL := $(call archives,cli server factory hsm policy signer ca log protocol)

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))

all: $(BUILD)/mintmark $(BUILD)/mintmarkd

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define room
$(BUILD)/lib/$(1).a: $(call room_objects,$(1))
	@mkdir -p $$(@D) && rm -f $$@
	@$$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

$(BUILD)/mintmark: $(call objects,cli/main.c) $(LINK_ALL)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/mintmarkd: $(call objects,server/main.c) $(LINK_ALL)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(LINK_ALL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(LINK_ALL) $(PKG_LIBS) -lcmocka

unit: $(UNIT)

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all unit clean
.SECONDARY:
