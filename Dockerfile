# The extension in the official PHP images: built in one stage, copied as one file into the other.
#
#   docker build -t php-gatewayworker .
#   docker build -t php-gatewayworker --build-arg PHP_IMAGE=php:8.4-fpm .
#   docker build --build-arg PHP_IMAGE=php:8.4-zts-alpine --build-arg RUST_IMAGE=rust:1-alpine --target file -o out .
#
# PHP_IMAGE is any official image of PHP 8.1 or newer: cli, fpm, apache or zts, of Debian or Alpine. RUST_IMAGE is of the
# same kind, so that the C library is the same: rust:1-alpine for Alpine. The target `file` is the shared object alone.

ARG PHP_IMAGE=php:8.4-cli-bookworm
ARG RUST_IMAGE=rust:1-slim-bookworm

FROM ${RUST_IMAGE} AS rust

FROM ${PHP_IMAGE} AS build
# What PHP's images say is needed for phpize, and libclang, which reads PHP's headers. Alpine has it in clang-dev.
RUN set -eu; \
    if command -v apk >/dev/null; then \
        apk add --no-cache $PHPIZE_DEPS clang-dev; \
    else \
        apt-get update; \
        apt-get install -y --no-install-recommends $PHPIZE_DEPS libclang-dev; \
        rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
COPY . /usr/src/gatewayworker
WORKDIR /usr/src/gatewayworker/ext
RUN phpize && ./configure && make && cp modules/gatewayworker.so /gatewayworker.so

FROM scratch AS file
COPY --from=build /gatewayworker.so /gatewayworker.so

FROM ${PHP_IMAGE}
COPY --from=build /gatewayworker.so /tmp/gatewayworker.so
# The folder of extensions is named after PHP's version. The image is only made if PHP starts with it without a word.
RUN set -eu; \
    mv /tmp/gatewayworker.so "$(php-config --extension-dir)/gatewayworker.so"; \
    docker-php-ext-enable gatewayworker; \
    test -z "$(php --ri gatewayworker 2>&1 >/dev/null)"; \
    php --ri gatewayworker
