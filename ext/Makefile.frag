# The library is what cargo makes; cargo knows by itself whether there is anything to do. PHP says at the end whether it can
# load the result: a target folder that another PHP was built with before would otherwise be found out at its next start.
$(phplibdir)/gatewayworker.so: gatewayworker-cargo
	@mkdir -p $(phplibdir)
	cp $(GATEWAYWORKER_LIBRARY) $@.new && mv -f $@.new $@
	@$(PHP_EXECUTABLE) -n -d extension=$@ -r 'exit((int) !extension_loaded("gatewayworker"));' || { rm -f $@; \
		echo "$(PHP_EXECUTABLE) does not load what was built: see above. Remove $(GATEWAYWORKER_TARGET), then make again." >&2; \
		exit 1; }

gatewayworker-cargo:
	cd $(GATEWAYWORKER_SOURCE) && env $(GATEWAYWORKER_ENV) CARGO_TARGET_DIR=$(GATEWAYWORKER_TARGET) \
		$(CARGO) build --release --locked -p gatewayworker

.PHONY: gatewayworker-cargo
