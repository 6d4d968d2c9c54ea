# make             the server, the tool and the library, in build/
# make serve       installs what is missing, builds, serves on 127.0.0.1:8080
# make test        installs what is missing, builds, runs every test
# make test-onnx   ONNX's own operator tests alone, with a table per operator
# make test-torch  networks of torchvision against PyTorch, over HTTP; takes minutes
# make bench       the wire and the built-in models; NETS="a.onnx b.onnx": those, beside ONNX Runtime
# make stress      the service under fire: slow, rude and departed clients, stops; takes minutes
# make asan        everything under AddressSanitizer and UndefinedBehaviorSanitizer, in build/asan/
# make install     into $(DESTDIR)$(PREFIX)

MAKEFLAGS += --no-builtin-rules

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
BUILD_CC ?= cc
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)
VERSION := $(shell sed -n 's/.*TP_VERSION "\(.*\)"/\1/p' include/tidepool.h)

LIB_PACKAGES := jansson libdeflate libjpeg spng libwebp libprotobuf-c
PACKAGES := libmicrohttpd gnutls libseccomp $(LIB_PACKAGES)
# Jumps and returns only where they belong, on processors that watch over it.
BRANCHES-x86_64  := -fcf-protection=full
BRANCHES-aarch64 := -mbranch-protection=standard
# The level that this compiler and its C library reach of the 3 there are.
FORTIFY := $(or $(filter 3,$(shell echo __USE_FORTIFY_LEVEL | $(CC) -O2 -U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=3 -include stdio.h -E -P - 2>/dev/null | tail -n 1)),2)
# -ffp-contract=fast: gcc fuses a*b+c under gnu11 only, and some compilers not at all without it.
CFLAGS   ?= -O2 -g
override CFLAGS += -std=gnu11 -fopenmp -ffp-contract=fast -fno-math-errno -fPIE -fstack-protector-strong \
	-fstack-clash-protection $(BRANCHES-$(ARCH)) \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef
override CPPFLAGS += -Iinclude -Isrc -MMD -MP -D_GNU_SOURCE
override LDFLAGS  += -fopenmp -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SANITIZE),)
override CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY)
else
override CPPFLAGS += -DTP_SANITIZED
override CFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=$(SANITIZE)
endif

# Kernels: one source, one object per instruction set. A new processor is one line here and one in
# src/kernels/dispatch.c.
ISAS-x86_64  := base avx2 avx512
ISAS-aarch64 := neon
ISA          := $(or $(ISAS-$(ARCH)),base)
MARCH-avx2   := -mavx2 -mfma
# Before register allocation gcc 12 moves loads so that two of the tile's 24 accumulators spill.
MARCH-neon   := -fno-schedule-insns
MARCH-avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512

LIB_DIRS := base kernels ops graph formats
LIB_SRC  := $(filter-out src/kernels/table.c,$(wildcard $(LIB_DIRS:%=src/%/*.c)))
APP_SRC  := src/main.c $(wildcard src/service/*.c src/http/*.c src/cli/*.c)
LIB_OBJ  := $(LIB_SRC:src/%.c=$(BUILD)/obj/%.o) $(ISA:%=$(BUILD)/obj/kernels/table.%.o) \
	$(BUILD)/obj/gen/onnx.pb-c.o
APP_OBJ  := $(APP_SRC:src/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/openapi.o
UNIT_OBJ := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/service/*.c) \
	$(addprefix src/http/,cors.c keys.c presence.c tls.c tls_client.c watch.c) \
	$(addprefix src/cli/,flags.c inputs.c outputs.c))
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

# Asked once, and not before something is compiled: `make serve` may have to install them first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
LIB_LIBS   = $(shell pkg-config --libs $(LIB_PACKAGES)) -lm
APP_LIBS   = $(shell pkg-config --libs libmicrohttpd gnutls libseccomp) -lpthread

all: $(BUILD)/tidepool $(BUILD)/libtidepool.a

$(BUILD)/tidepool: $(APP_OBJ) $(BUILD)/libtidepool.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) $(APP_LIBS)

$(BUILD)/libtidepool.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

# GET /openapi.json answers api/openapi.yaml: a tool of the build (for the machine that builds, when
# cross-compiling) turns it into a C source.
$(BUILD)/yaml2c: scripts/yaml2c.c
	@mkdir -p $(@D)
	$(BUILD_CC) -O1 -o $@ $< -lyaml

$(BUILD)/gen/openapi.c: api/openapi.yaml $(BUILD)/yaml2c
	@mkdir -p $(@D)
	$(BUILD)/yaml2c tp_openapi_json < $< > $@

# What protobuf-c knows of ONNX files. Two targets of one pattern: made by one run.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: src/formats/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=$(<D) --c_out=$(BUILD)/gen $<

ONNX_OBJ := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/formats/onnx*.c))
$(ONNX_OBJ): $(BUILD)/gen/onnx.pb-c.h
$(ONNX_OBJ): override CPPFLAGS += -I$(BUILD)/gen

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -c -o $@ $<

$(ISA:%=$(BUILD)/obj/kernels/table.%.o): $(BUILD)/obj/kernels/table.%.o: src/kernels/table.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DTP_TABLE=tp_kernels_$* -DTP_NAME='"$*"' $(CFLAGS) $(MARCH-$*) -c -o $@ $<

# Unit tests: one program per tests/unit/test_<file>.c, all with the reference operators beside them,
# and with what of the application can be tested without a server.
$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/obj/tests/ref.o $(BUILD)/obj/tests/check.o $(UNIT_OBJ) $(BUILD)/libtidepool.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -MF $@.d -Itests -I$(BUILD)/gen $(PKG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(filter %.o %.a,$^) -lcmocka $(LIB_LIBS) -lseccomp -lgnutls

# ONNX's own operator tests; test-onnx prints its tables.
$(BUILD)/tests/onnx_suite: $(wildcard tests/onnx/*.c tests/onnx/*.h) $(BUILD)/libtidepool.a
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(LIB_LIBS)

$(BUILD)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -c -o $@ $<

unit: $(UNIT) $(BUILD)/tests/onnx_suite

test-onnx: $(BUILD)/tests/onnx_suite
	$<

# Networks of torchvision, exported here and asked over HTTP. NETS="resnet18 pooling": those alone.
test-torch:
	@scripts/install-deps.sh torch
	@$(MAKE) --no-print-directory all
	/usr/bin/python3 tests/torch/compare.py $(BUILD)/tidepool $(NETS)

# NETS="a.onnx b.onnx": without, the built-in models. tests/bench/compare.js says what it compares.
bench: all $(BUILD)/bench/wire $(if $(shell pkg-config --exists simdjson && command -v c++),$(BUILD)/bench/codec)
	@tests/bench/bench.sh $(BUILD) $(NETS)

# Bytes through HTTP, and the text codec beside simdjson, Jansson and std::to_chars (C++, where there
# are simdjson and a compiler).
$(BUILD)/bench/wire: tests/bench/wire.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) $(LDFLAGS) -o $@ $< $(APP_LIBS)

$(BUILD)/bench/codec: tests/bench/codec.cc $(BUILD)/libtidepool.a
	@mkdir -p $(@D)
	c++ -std=c++17 -O2 -fopenmp -Iinclude -Isrc -o $@ $^ -lsimdjson $(LIB_LIBS)

# The service under fire, in a short form of some minutes; FULL=1: for hours, the figures that count.
stress: all
	@tests/stress/run.sh $(BUILD)/tidepool $(FULL)

asan:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined all unit

deps:
	@scripts/install-deps.sh

serve: deps
	@$(MAKE) --no-print-directory all
	$(BUILD)/tidepool serve

test:
	@scripts/install-deps.sh test
	@scripts/run-tests.sh

clean:
	rm -rf $(BUILD)

install: all
	install -D -m 755 $(BUILD)/tidepool $(DESTDIR)$(PREFIX)/bin/tidepool
	install -D -m 644 $(BUILD)/libtidepool.a $(DESTDIR)$(PREFIX)/lib/libtidepool.a
	install -D -m 644 include/tidepool.h $(DESTDIR)$(PREFIX)/include/tidepool.h
	mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: tidepool' \
	  'Description: Pooled feature maps of convolutional networks' 'Version: $(VERSION)' \
	  'Requires: $(LIB_PACKAGES)' \
	  'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -ltidepool -fopenmp -lm' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tidepool.pc

.PHONY: all unit test-onnx test-torch bench stress asan deps serve test clean install
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
