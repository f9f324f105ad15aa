# mintmark: `make demo` and `make test` do all the set-up themselves.
#
#   make              builds build/mintmark and build/mintmarkd
#   make deps         installs the Debian packages that are missing
#   make demo         the appliance's main job, for real, under build/demo/
#   make test         every test, short forms of the long ones included
#   make sanitize     every test under ASan and UBSan
#   make test-faults  kills and faults, for minutes
#   make fuzz         each fuzz target for FUZZ_SECONDS
#   make bench        issuances a second, and the CPU that one takes
#   make bench-log    what ten million entries cost beside a thousand
#   make bench-images what firmware costs: hashing, memory, devices' time
#   make bench-factory whether a station keeps up with the appliance
#   make fmt          clang-format, as .clang-format says

BUILD ?= build
ROOMS := protocol log ca signer policy hsm audit factory server cli

PKGS := gnutls libp11 libcrypto libcbor libsodium sqlite3 libseccomp \
	libconfuse jansson p11-kit-1 libmicrohttpd libcurl libpng qrcodegen
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# libev ships no .pc file.
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
LINK_ALL := $(call archives,cli server factory audit hsm policy signer ca log protocol)

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))

all: $(BUILD)/mintmark $(BUILD)/mintmarkd
	@:

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The assembler takes it in, which the compiler's list does not tell.
$(BUILD)/obj/cli/policy_text.o: conf/policy.conf

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

# --- what must be installed ---

BUILD_DEPS := gcc make pkg-config libc6-dev libgnutls28-dev libp11-dev \
	libssl-dev libcbor-dev libsodium-dev libsqlite3-dev libseccomp-dev \
	libev-dev libconfuse-dev libjansson-dev \
	libp11-kit-dev libmicrohttpd-dev libcurl4-gnutls-dev libqrcodegen-dev \
	libpng-dev softhsm2 openssl gnutls-bin
TEST_DEPS := libcmocka-dev python3 python3-pytest python3-pytest-xdist \
	python3-cbor2 python3-cryptography python3-psutil strace procps \
	mosquitto zbar-tools
FUZZ_DEPS := clang libclang-rt-14-dev

deps:
	@tests/deps $(BUILD_DEPS)
deps-test:
	@tests/deps $(BUILD_DEPS) $(TEST_DEPS)
deps-fuzz:
	@tests/deps $(BUILD_DEPS) $(FUZZ_DEPS)

# What was just installed is seen by a make that starts afterwards.
demo: deps
	@$(MAKE) --no-print-directory all
	@tests/demo

test: deps-test
	@$(MAKE) --no-print-directory -j2 all unit replay bench-programs faults
	@tests/run

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize: deps-test
	@$(MAKE) --no-print-directory -j2 BUILD=build/sanitize \
		SANITIZE="$(SANITIZERS)" OPT="-O1 -g" all unit replay \
		bench-programs
	@MINTMARK_BUILD=build/sanitize tests/run

# --- a mintmarkd whose calls can be made to fail ---

WRAPPED := sendmsg sqlite3_step sqlite3_extended_errcode mm_filter_close

$(BUILD)/faults/mintmarkd: $(call objects,server/main.c tests/faults/faults.c) \
		$(LINK_ALL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ \
		$(PKG_LIBS)

$(BUILD)/faults/module.so: tests/faults/module.c tests/faults/page.h Makefile
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS_ALL) -fPIC $(filter-out -pie,$(LDFLAGS_ALL)) -shared \
		-o $@ $<

faults: $(BUILD)/faults/mintmarkd $(BUILD)/faults/module.so

test-faults: deps-test
	@$(MAKE) --no-print-directory -j2 all faults
	@MINTMARK_FAULTS=1 /usr/bin/python3 -m pytest -q -n 2 \
		-p no:cacheprovider tests/system/test_crash.py \
		tests/system/test_last_unit.py tests/system/test_crl.py \
		tests/system/test_produce_crash.py
	@tests/faults/run

# --- fuzzing: the corpora are replayed by `make test` ---

FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SECONDS ?= 60

$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o \
		$(BUILD)/obj/tests/fuzz/replay.o $(LINK_ALL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

replay: $(FUZZ:%=$(BUILD)/replay/%)

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(LINK_ALL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

fuzzers: $(FUZZ:%=$(BUILD)/fuzz/%)

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory -j2 CC=clang BUILD=build/clang-fuzz \
		SANITIZE="-fsanitize=address,undefined,fuzzer-no-link" \
		OPT="-O1 -g" fuzzers
	@tests/fuzz/run build/clang-fuzz/fuzz $(FUZZ_SECONDS)

# --- measuring ---

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(LINK_ALL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/*.c)))

bench: deps-test
	@$(MAKE) --no-print-directory -j2 all bench-programs
	@tests/bench/run

bench-log: deps-test
	@$(MAKE) --no-print-directory -j2 $(BUILD)/bench/log
	@MINTMARK_BUILD=$(BUILD) tests/bench/run_log

bench-images: deps-test
	@$(MAKE) --no-print-directory -j2 all bench-programs
	@MINTMARK_BUILD=$(BUILD) tests/bench/run_images

bench-factory: deps-test
	@$(MAKE) --no-print-directory -j2 all bench-programs
	@MINTMARK_BUILD=$(BUILD) tests/bench/run_factory

bench-programs: $(BENCH)

fmt:
	clang-format -i $(foreach r,$(ROOMS),$(wildcard $(r)/*.[ch])) \
		$(wildcard tests/*/*.[ch])

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all unit deps deps-test deps-fuzz demo test sanitize faults \
	test-faults replay fuzzers fuzz bench bench-log bench-images bench-factory bench-programs \
	fmt clean
# Objects that only a pattern asks for are kept, too.
.PRECIOUS: $(BUILD)/obj/%.o
