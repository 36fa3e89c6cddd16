# The library is what cargo makes; cargo knows by itself whether there is anything to do. PHP says at the end whether it can
# load the result: a target folder that another PHP was built with before would otherwise be found out at its next start.
$(phplibdir)/gatewayworker.so: gatewayworker-cargo
	@mkdir -p $(phplibdir)
	cp $(GATEWAYWORKER_LIBRARY) $@.new && mv -f $@.new $@
	@$(PHP_EXECUTABLE) -n -d extension=$@ -r 'exit((int) !extension_loaded("gatewayworker"));' || { rm -f $@; \
		echo "$(PHP_EXECUTABLE) does not load what was built: see above. Remove $(GATEWAYWORKER_TARGET), then make again." >&2; \
		exit 1; }

# `sudo make install` takes what was built before: root has no cargo of rustup's, or would fetch all crates once more.
gatewayworker-cargo:
	@if test -n "$$SUDO_USER" && test -f $(GATEWAYWORKER_LIBRARY); then \
		echo "not built anew under sudo: $(GATEWAYWORKER_LIBRARY)"; \
	else \
		cd $(GATEWAYWORKER_SOURCE) && set -x && env $(GATEWAYWORKER_ENV) CARGO_TARGET_DIR=$(GATEWAYWORKER_TARGET) \
			$(CARGO) build --release --locked -p gatewayworker; \
	fi

.PHONY: gatewayworker-cargo
