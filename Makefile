# ngx_privacy_module: build, run, test, install. `make help` lists the targets.

# Where the build goes; `make asan` uses a second folder.
B              ?= build
# nginx's source or its development files (Debian: nginx-dev). Any other tree: make NGINX_SRC=DIR
NGINX_SRC      ?= /usr/share/nginx/src
NGINX          ?= /usr/sbin/nginx
JOBS           ?= 2
# Specs wait more than they work: one more of them than there are cores.
TEST_JOBS      ?= 3
FUZZ_SECONDS   ?= 600

DESTDIR        ?=
PREFIX         ?= /usr
MODULES_DIR    ?= /usr/lib/nginx/modules
MODULES_CONF   ?= /usr/share/nginx/modules-available
SYSCONF_DIR    ?= /etc/nginx/privacy

CC             ?= cc
PACKAGES       := hiredis jansson md4c md4c-html libutf8proc libcrypto
CTL_PACKAGES   := libcurl libssl
WARNINGS       := -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
HARDENING      := -fstack-protector-strong -D_FORTIFY_SOURCE=2
SANITIZERS     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPTIMISE       := -O2 -g $(HARDENING)
ifdef SANITIZE
OPTIMISE       := -O1 -g $(SANITIZERS) -DPRIVACY_SANITIZE
SANITIZE_LINK  := $(SANITIZERS)
CANARY         := --add-dynamic-module=$(CURDIR)/lua-free-tests/canary
endif

DEPS_BUILD     := gcc libc6-dev make perl pkg-config nginx nginx-dev libhiredis-dev libjansson-dev libmd4c-dev \
                  libmd4c-html0-dev libutf8proc-dev libssl-dev libcurl4-openssl-dev libpcre2-dev zlib1g-dev
DEPS_RUN       := redis-server
DEPS_TEST      := libcmocka-dev curl openssl chromium nodejs npm iproute2
DEPS_FUZZ      := clang llvm
DEPS_BENCH     := libnginx-mod-http-lua libnginx-mod-nchan valgrind git

M              := ngx_privacy_module
G              := $(B)/generated
CPPFLAGS_ALL   := -D_GNU_SOURCE -I$(M)/core -I$(M)/redis -I$(M)/ctl -I$(G)
CFLAGS_ALL      = -std=c11 -fPIC $(OPTIMISE) $(WARNINGS) $(CPPFLAGS_ALL) $(shell pkg-config --cflags $(PACKAGES)) \
                  $(CFLAGS)
LIBS            = $(shell pkg-config --libs $(PACKAGES))

CORE_SRCS      := $(sort $(wildcard $(M)/core/*.c))
PVR_SRCS       := $(sort $(wildcard $(M)/redis/pvr*.c))
CTL_SRCS       := $(sort $(wildcard $(M)/ctl/*.c))
NGX_SRCS       := $(sort $(wildcard $(M)/redis/ngx_*.c $(M)/http/*.c))
HEADERS        := $(sort $(wildcard $(M)/*/*.h))
UI_FILES       := $(sort $(filter-out %.pl,$(wildcard $(M)/ui/* $(M)/ui/*/*)))
UI_EMBED       := $(wildcard $(M)/ui/embed.pl)
UI_DATA        := $(if $(UI_EMBED),$(if $(UI_FILES),$(G)/pv_ui_data.c))

LIB_OBJS       := $(patsubst $(M)/%.c,$(B)/obj/%.o,$(CORE_SRCS) $(PVR_SRCS)) $(if $(UI_DATA),$(B)/obj/pv_ui_data.o)
CTL_OBJS       := $(patsubst $(M)/%.c,$(B)/obj/%.o,$(CTL_SRCS)) $(B)/obj/ctl_skeletons.o
SKELETONS      := $(sort $(wildcard $(M)/ctl/skeleton/policy.*.md))
LIB            := $(B)/libpv.a

UNIT_SRCS      := $(sort $(wildcard lua-free-tests/unit/test_*.c))
UNIT_HELPERS   := $(sort $(filter-out $(UNIT_SRCS),$(wildcard lua-free-tests/unit/*.c)))
UNIT           := $(patsubst lua-free-tests/unit/%.c,$(B)/unit/%,$(UNIT_SRCS))
FUZZ_SRCS      := $(sort $(wildcard lua-free-tests/fuzz/fuzz_*.c))
FUZZ           := $(patsubst lua-free-tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRCS))
BENCH_SRCS     := $(sort $(wildcard lua-free-tests/bench/bench_*.c))
BENCH          := $(patsubst lua-free-tests/bench/%.c,$(B)/bench/%,$(BENCH_SRCS))

MODULE         := $(B)/ngx_http_privacy_module.so
PRIVACYCTL     := $(B)/privacyctl
NGX_BUILD      := $(B)/nginx


.PHONY: all help module ctl deps deps-build deps-run deps-test deps-fuzz deps-bench run test unit specs lint asan \
        fault fuzz bench bench-programs install clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: module ctl

help:
	@echo 'make            the module ($(MODULE)) and privacyctl'
	@echo 'make run        a demo site behind nginx, with its own Redis; Ctrl-C ends it. PORT=8080'
	@echo 'make test       the whole suite: unit, nginx and browser specs'
	@echo 'make browser    what visitors see and send, in a real browser'
	@echo 'make unit       unit tests; no nginx needed'
	@echo 'make lint       layering, style and static checks'
	@echo 'make asan       the same specs under AddressSanitizer and UBSan'
	@echo 'make fault      what is broken while visitors choose: nothing acknowledged is lost; FAULT_SCALE=0.1 for a tenth'
	@echo 'make fuzz       libFuzzer targets, FUZZ_SECONDS=$(FUZZ_SECONDS) each; ONLY=NAME for one'
	@echo 'make bench      figures against plain nginx, sub_filter and Lua; ONLY=NAME for a part'
	@echo 'make install    module, privacyctl with its manual, a sample configuration; DESTDIR= PREFIX= MODULES_DIR='
	@echo 'make deps       installs what is missing (apt, as root), else says what it is'
	@echo 'make clean      removes $(B)/'


# Packages: installed when root, named in one line when not.

define need
	@missing=; \
	if command -v dpkg-query >/dev/null; then \
	    for p in $(1); do \
	        dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' \
	            || command -v $$p >/dev/null || missing="$$missing $$p"; \
	    done; \
	fi; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ]; then \
	    echo "installing:$$missing"; \
	    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	    { apt-get install -qq -y --no-install-recommends $$missing \
	      || { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing; }; } >/dev/null; \
	elif [ -n "$$missing" ]; then \
	    echo "missing packages; as root: apt-get install$$missing" >&2; exit 1; \
	fi
endef

deps: deps-run deps-test
deps-build:
	$(call need,$(DEPS_BUILD))
deps-run:
	$(call need,$(DEPS_BUILD) $(DEPS_RUN))
deps-test:
	$(call need,$(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST))
deps-fuzz:
	$(call need,$(DEPS_FUZZ))
deps-bench:
	$(call need,$(DEPS_BENCH))


# The core library, privacyctl.

$(G)/pv_ui_data.c: $(UI_EMBED) $(UI_FILES)
	@mkdir -p $(G)
	perl $(UI_EMBED) $(G)
	@touch $@

$(B)/obj/pv_ui_data.o: $(G)/pv_ui_data.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: $(M)/%.c | $(UI_DATA)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJS)
	@rm -f $@
	ar rcs $@ $^

$(B)/obj/ctl_skeletons.c: $(M)/ctl/embed.pl $(SKELETONS)
	@mkdir -p $(@D)
	perl $< $@ $(SKELETONS)

$(B)/obj/ctl_skeletons.o: $(B)/obj/ctl_skeletons.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(PRIVACYCTL): $(CTL_OBJS) $(LIB)
	$(CC) $(OPTIMISE) $(SANITIZE_LINK) $(LDFLAGS) -o $@ $^ $(LIBS) $(shell pkg-config --libs $(CTL_PACKAGES))

ctl: $(if $(CTL_SRCS),$(PRIVACYCTL))

-include $(LIB_OBJS:.o=.d) $(CTL_OBJS:.o=.d) $(addsuffix .d,$(UNIT)) $(addsuffix .d,$(BENCH))


# The module, against the nginx of this machine. The tree is linked, so that nothing is written outside $(B).
# What was configured is kept in a file: a new source file or another nginx configures again.
# The module's own functions are called directly, not by way of the table that lets others take their place.

NGX_CC_OPT     := $(OPTIMISE) -fno-semantic-interposition -Wextra -Wno-unused-parameter
NGX_LD_OPT     := -Wl,-z,relro -Wl,-z,now -Wl,-Bsymbolic-functions $(SANITIZE_LINK)

module: $(if $(NGX_SRCS),$(MODULE))

$(NGX_BUILD)/configured: FORCE
	@mkdir -p $(NGX_BUILD)
	@{ echo $(NGINX_SRC) $(CORE_SRCS) $(PVR_SRCS) $(NGX_SRCS) $(HEADERS) $(UI_DATA); echo '$(NGX_CC_OPT)'; \
	   cksum config $(NGINX_SRC)/src/core/nginx.h; } > $@.new
	@if cmp -s $@ $@.new; then rm $@.new; else rm -f $(NGX_BUILD)/objs/Makefile; mv $@.new $@; fi

$(NGX_BUILD)/objs/Makefile: $(NGX_BUILD)/configured | $(UI_DATA)
	@for f in auto src configure conf_flags; do \
	    rm -f $(NGX_BUILD)/$$f; [ ! -e $(NGINX_SRC)/$$f ] || ln -s $$(realpath $(NGINX_SRC)/$$f) $(NGX_BUILD)/$$f; \
	done; [ -e $(NGX_BUILD)/configure ] || ln -s auto/configure $(NGX_BUILD)/configure
	@cd $(NGX_BUILD) && bash -c 'NGX_CONF_FLAGS=(--with-compat --with-debug --with-threads --with-http_ssl_module \
	        --with-http_v2_module); [ ! -f conf_flags ] || . ./conf_flags; \
	    PRIVACY_GENERATED=$(abspath $(G)) ./configure "$${NGX_CONF_FLAGS[@]}" \
	        --with-cc-opt="$(NGX_CC_OPT)" --with-ld-opt="$(NGX_LD_OPT)" \
	        --add-dynamic-module=$(CURDIR) $(CANARY)' > configure.log 2>&1 \
	    || { tail -20 configure.log; rm -f objs/Makefile; exit 1; }

$(MODULE): $(NGX_BUILD)/objs/Makefile $(CORE_SRCS) $(PVR_SRCS) $(NGX_SRCS) $(HEADERS) $(UI_DATA)
	$(MAKE) -s -C $(NGX_BUILD) -f objs/Makefile modules
	@$(if $(CANARY),cp $(NGX_BUILD)/objs/ngx_http_canary_module.so $(B)/)
	@cp $(NGX_BUILD)/objs/ngx_http_privacy_module.so $@.new && mv $@.new $@


# Run, test.

run: deps-run
	@$(MAKE) -s -j$(JOBS) all
	@PRIVACY_MODULE=$(abspath $(MODULE)) PRIVACYCTL=$(abspath $(PRIVACYCTL)) NGINX=$(NGINX) exec demo/run

$(B)/unit/%: lua-free-tests/unit/%.c $(LIB) $(UNIT_HELPERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Ilua-free-tests/unit -MMD -MP -MF $@.d -o $@ $< $(UNIT_HELPERS) $(LIB) -lcmocka $(LIBS)

unit: $(UNIT)
	@CMOCKA_MESSAGE_OUTPUT=TAP prove -j$(JOBS) --exec '' $(UNIT)

test: deps-test
	@$(MAKE) -s -j$(JOBS) all $(UNIT)
	@$(MAKE) -s browser-modules || echo 'the browser specs will fail: npm could not fetch what they need' >&2
	@TEST_NGINX_BINARY=$${TEST_NGINX_BINARY:-$(NGINX)} TEST_NGINX_MODULE=$${TEST_NGINX_MODULE-$(abspath $(MODULE))} \
	    TEST_PRIVACYCTL=$(abspath $(PRIVACYCTL)) JOBS=$(TEST_JOBS) t/run $(UNIT) $(if $(SPECS),$(SPECS),t lua-free-tests/fault lua-free-tests/browser)

# Only the specs named: make specs SPECS="t/gate.t t/page.t"
specs: all
	@TEST_NGINX_BINARY=$${TEST_NGINX_BINARY:-$(NGINX)} TEST_NGINX_MODULE=$${TEST_NGINX_MODULE-$(abspath $(MODULE))} \
	    TEST_PRIVACYCTL=$(abspath $(PRIVACYCTL)) JOBS=$(JOBS) t/run $(if $(SPECS),$(SPECS),t)

# Visitors in a real browser only.
browser: deps-test
	@$(MAKE) -s browser-modules
	@$(MAKE) -s specs SPECS='$(if $(SPECS),$(SPECS),lua-free-tests/browser)'

.PHONY: browser browser-modules
browser-modules: $(B)/browser/node_modules/.package-lock.json
$(B)/browser/node_modules/.package-lock.json: lua-free-tests/browser/package.json lua-free-tests/browser/package-lock.json
	@mkdir -p $(B)/browser
	@cp $^ $(B)/browser/
	@cd $(B)/browser && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

lint:
	@t/lint

asan: deps-test
	@$(MAKE) -s -j$(JOBS) B=build/asan SANITIZE=1 all sanitized-units
	@TEST_SANITIZE=1 TEST_NGINX_BINARY=$(NGINX) TEST_NGINX_MODULE=$(abspath build/asan/ngx_http_privacy_module.so) \
	    TEST_PRIVACYCTL=$(abspath build/asan/privacyctl) JOBS=$(JOBS) ASAN_OPTIONS=detect_leaks=0 \
	    t/run $(if $(SPECS),$(SPECS),$(patsubst $(B)/unit/%,build/asan/unit/%,$(UNIT)) t lua-free-tests/fault)

.PHONY: sanitized-units
sanitized-units: $(UNIT)


# In full; `make test` has a short form of it. They wait more than they work, so three run side by side.
FAULT_JOBS ?= 3
fault: deps-test
	@$(MAKE) -s -j$(JOBS) all
	@FAULT_FULL=1 TEST_NGINX_BINARY=$(NGINX) TEST_NGINX_MODULE=$(abspath $(MODULE)) \
	    TEST_PRIVACYCTL=$(abspath $(PRIVACYCTL)) JOBS=$(FAULT_JOBS) t/run $(if $(SPECS),$(SPECS),lua-free-tests/fault)


# Fuzzing: our sources once with libFuzzer's instrumentation, then one program a target.

$(B)/fuzz/%: lua-free-tests/fuzz/%.c $(CORE_SRCS) $(PVR_SRCS) $(HEADERS) $(UI_DATA)
	@mkdir -p $(@D)
	clang -g -O1 $(WARNINGS) $(CPPFLAGS_ALL) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	    -o $@ $< $(CORE_SRCS) $(PVR_SRCS) $(UI_DATA) $(LIBS)

fuzz: deps-fuzz
	@$(MAKE) -s fuzz-run

.PHONY: fuzz-run
fuzz-run: $(if $(ONLY),$(B)/fuzz/fuzz_$(ONLY),$(FUZZ))
	@for f in $^; do \
	    n=$${f##*/fuzz_}; work=$(B)/fuzz/corpus/$$n; mkdir -p $$work lua-free-tests/fuzz/corpus/$$n; \
	    echo "fuzz $$n, $(FUZZ_SECONDS) s"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	        -artifact_prefix=$(B)/fuzz/$$n- $$work lua-free-tests/fuzz/corpus/$$n > $(B)/fuzz/$$n.log 2>&1 \
	        || { tail -40 $(B)/fuzz/$$n.log; exit 1; }; \
	    grep -E 'number_of_executed_units|new_units_added' $(B)/fuzz/$$n.log; \
	done


# Benchmarks.

$(B)/bench/%: lua-free-tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS) $(shell pkg-config --libs libssl)

bench-programs: $(BENCH)

# What the redline is measured against.
.PHONY: bench-modules
bench-modules: $(B)/bench-node/node_modules/.package-lock.json
$(B)/bench-node/node_modules/.package-lock.json: lua-free-tests/bench/package.json lua-free-tests/bench/package-lock.json
	@mkdir -p $(B)/bench-node
	@cp $^ $(B)/bench-node/
	@cd $(B)/bench-node && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

bench: deps-test deps-bench
	@$(MAKE) -s -j$(JOBS) all bench-programs
	@$(MAKE) -s bench-modules || echo 'without diff-match-patch: npm could not fetch it' >&2
	@TEST_NGINX_BINARY=$(NGINX) TEST_NGINX_MODULE=$(abspath $(MODULE)) TEST_PRIVACYCTL=$(abspath $(PRIVACYCTL)) \
	    BENCH_PROGRAMS=$(abspath $(B)/bench) BENCH_NODE_MODULES=$(abspath $(B)/bench-node) ONLY=$(ONLY) \
	    lua-free-tests/bench/run


# Install.

install: all
	install -d $(DESTDIR)$(MODULES_DIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SYSCONF_DIR) $(DESTDIR)$(MODULES_CONF)
	install -m 644 $(MODULE) $(DESTDIR)$(MODULES_DIR)/
	install -m 755 $(PRIVACYCTL) $(DESTDIR)$(PREFIX)/bin/
	install -D -m 644 docs/privacyctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/privacyctl.1
	install -D -m 644 conf/privacyctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/privacyctl
	install -m 644 conf/privacy.conf.sample $(DESTDIR)$(SYSCONF_DIR)/
	echo 'load_module modules/ngx_http_privacy_module.so;' > $(DESTDIR)$(MODULES_CONF)/mod-http-privacy.conf

clean:
	rm -rf $(B)
