#!/bin/sh
# Installs what a job needs: `setup.sh build`, `setup.sh test` (what `build` needs, and more),
# `setup.sh valgrind` and `setup.sh asan` (what `test` needs, and more), `setup.sh browser` (a
# Chromium for the test of the board, and nothing else).
#
# On Debian and Ubuntu it installs what is missing, through apt-get, and says how much that is and
# how far it has come; elsewhere it says what to install. It prints nothing if nothing is missing.
# PHP, PHP_CONFIG, PHPUNIT and CARGO name the programs to use instead of those in PATH.

set -eu

job=${1:-test}
case $job in
    build | browser) tests=no ;;
    test | valgrind | asan) tests=yes ;;
    *) echo "usage: $0 [build|test|valgrind|asan|browser]" >&2; exit 2 ;;
esac

PHP=${PHP:-php}
PHP_CONFIG=${PHP_CONFIG:-php-config}
CARGO=${CARGO:-cargo}
RUST_NEEDED=1.88
PHP_NEEDED=8.1
PHPUNIT_NEEDED=9.6
# It does not read groups and data providers in comments any more.
PHPUNIT_TOO_NEW=12.0

cd "$(dirname "$0")/.."

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

say() {
    printf 'setup: %s\n' "$*"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# at_least 1.90 1.88: whether the first version is not below the second.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$2" ] || [ "$1" = "$2" ]
}

# The version that apt would install of a package; nothing where it knows none.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*\.[0-9]*\).*/\1/p'
}

# Which Debian packages have a Rust that is new enough. The distribution's own is often too old; the
# second one is kept up to date for browsers.
find_rust() {
    rust=
    has apt-cache || return 0
    for suffix in '' -web; do
        if at_least "$(candidate "cargo$suffix")" "$RUST_NEEDED"; then
            rust="cargo$suffix rustfmt$suffix rust$suffix-clippy"
            return 0
        fi
    done
}

rustup_hint="install it with rustup, as https://rustup.rs says, then try again"

# As find_rust, on a fresh system too, whose apt knows of no packages yet.
find_rust_updated() {
    find_rust
    if [ -z "$rust" ] && has apt-get; then
        say "updating the list of packages"
        apt_get update -q >/dev/null 2>&1 </dev/null || true
        find_rust
    fi
}

# Whether the cargo in use belongs to a package of the system.
is_packaged() {
    has dpkg-query && dpkg-query -S "$(command -v "$CARGO")" >/dev/null 2>&1
}

# What helps where the installed Rust is too old: the system's newer package, or rustup.
too_old_hint() {
    if ! is_packaged; then
        echo "Run 'rustup update stable' if it came with rustup; otherwise remove it and $rustup_hint."
        return
    fi
    find_rust
    if [ -n "$rust" ]; then
        set -- $rust
        [ "$tests" = yes ] || set -- "$1"
        echo "This system has a newer one, which replaces it: run 'apt-get install $*' as root, then try again."
    else
        echo "This system has no newer one: $rustup_hint."
    fi
}

# An installed Rust stays as it is, wherever it came from.
check_rust() {
    if ! has "$CARGO"; then
        find_rust_updated
        [ -n "$rust" ] || fail "cargo was not found. Rust $RUST_NEEDED or newer is needed: $rustup_hint."
        # shellcheck disable=SC2086
        set -- $rust
        [ "$job" = test ] || set -- "$1"
        install "$*"
    fi
    version=$("$CARGO" --version | sed 's/^cargo \([0-9]*\.[0-9]*\).*/\1/')
    if ! at_least "$version" "$RUST_NEEDED"; then
        fail "cargo $version is too old, $RUST_NEEDED or newer is needed." "$(too_old_hint)"
    fi
    if [ "$job" = asan ]; then
        # Options that have not come to the stable compiler.
        "$CARGO" +nightly --version >/dev/null 2>&1 \
            || fail "a nightly toolchain is missing: run 'rustup toolchain install nightly --component rust-src'."
    fi
    if [ "$job" = test ] && ! { "$CARGO" fmt --version && "$CARGO" clippy --version; } >/dev/null 2>&1; then
        find_rust
        # The packages of another Rust do not fit.
        is_packaged || rust=
        [ -n "$rust" ] || fail "rustfmt or clippy is missing: run 'rustup component add rustfmt clippy'."
        install "${rust#* }"
    fi
}

has_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        return 0
    fi
    for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib*/libclang*.so* \
        /usr/local/lib/libclang*.so* /opt/homebrew/opt/llvm/lib/libclang.dylib /usr/local/opt/llvm/lib/libclang.dylib \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib; do
        if [ -e "$file" ]; then
            return 0
        fi
    done
    return 1
}

# The compiler prints the full path of a library that it has, and the bare name of one that it does
# not have.
has_libasan() {
    has cc && [ -e "$(cc -print-file-name=libasan.so)" ]
}

has_php_extensions() {
    for extension in "$@"; do
        "$PHP" -r "exit((int) !extension_loaded('$extension'));" || return 1
    done
}

# The PHPUnit that the Makefile takes.
find_phpunit() {
    for file in vendor/bin/phpunit vendor/bin/phpunit.phar; do
        if [ -z "${PHPUNIT:-}" ] && [ -f "$file" ]; then
            PHPUNIT=$file
        fi
    done
    if [ -n "${PHPUNIT:-}" ]; then
        printf '%s\n' "$PHPUNIT"
    else
        command -v phpunit
    fi
}

has_php_fpm() {
    for file in /usr/sbin/php-fpm* /usr/local/sbin/php-fpm* /opt/homebrew/sbin/php-fpm*; do
        if [ -x "$file" ]; then
            return 0
        fi
    done
    has php-fpm
}

# The named program, or the first of the others in PATH.
has_one() {
    if [ -n "$1" ]; then
        has "$1"
        return
    fi
    shift
    for name in "$@"; do
        ! has "$name" || return 0
    done
    return 1
}

# Chromium brings fontconfig along: where that is missing too, there is no font yet. A browser from
# elsewhere may have its own.
has_chinese_font() {
    if has fc-list; then
        [ -n "$(fc-list :lang=zh family)" ]
    else
        [ -z "$packages" ]
    fi
}

# Each missing thing: the Debian package, and what it is for those who have no apt.
packages=
things=
missing() {
    packages="$packages $1"
    things="$things
  - $2 (Debian package: $1)"
}

look() {
    packages=
    things=
    if [ "$job" = browser ]; then
        has_one "${CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome \
            || missing chromium "Chromium (CHROMIUM may say where it is)"
        has_one "${CHROMEDRIVER:-}" chromedriver chromium.chromedriver \
            || missing chromium-driver "ChromeDriver, of the same version (CHROMEDRIVER may say where it is)"
        has_chinese_font || missing fonts-droid-fallback "a font with Chinese characters"
        return
    fi
    has "$PHP" || missing php-cli "PHP $PHP_NEEDED or newer for the command line"
    has "$PHP_CONFIG" || missing php-dev "php-config and the PHP headers, of the same version"
    has cc || has gcc || missing gcc "a C compiler and linker"
    has clang || missing clang "clang"
    has_libclang || missing libclang-dev "libclang, to read the PHP headers (LIBCLANG_PATH may say where it is)"
    has make || missing make "make"
    if [ "$job" = valgrind ]; then
        has valgrind || missing valgrind "valgrind"
    fi
    if [ "$job" = asan ]; then
        has_libasan || missing gcc "a C compiler with AddressSanitizer (libasan)"
    fi
    if [ "$tests" = yes ]; then
        find_phpunit >/dev/null || missing phpunit "PHPUnit 9.6, 10 or 11 (or vendor/bin/phpunit)"
        if has "$PHP"; then
            has_php_extensions dom xml xmlwriter || missing php-xml "the PHP extensions dom, xml and xmlwriter"
            has_php_extensions mbstring || missing php-mbstring "the PHP extension mbstring"
        else
            missing php-xml "the PHP extensions dom, xml and xmlwriter"
            missing php-mbstring "the PHP extension mbstring"
        fi
        has_php_fpm || missing php-fpm "php-fpm"
        has cgi-fcgi || missing libfcgi-bin "cgi-fcgi"
        has ps || missing procps "ps"
    fi
}

# apt-get, by way of sudo where need be.
apt_get() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
}

# How much apt-get is going to download, such as "45 MB". Nothing if it does not know a package.
download_size() {
    # shellcheck disable=SC2086
    uris=$(LC_ALL=C apt-get install -qq --print-uris --no-install-recommends $1 2>/dev/null </dev/null) || return 0
    printf '%s\n' "$uris" | awk '{ bytes += $3 } END { printf "%d MB", (bytes + 999999) / 1000000 }'
}

# Reads the output of apt-get, status lines included, and reports progress at every quarter. The
# rest goes to the log.
progress() {
    said=
    while IFS= read -r line; do
        case $line in
            dlstatus:*) doing=downloading ;;
            pmstatus:*) doing="unpacking and configuring" ;;
            *) printf '%s\n' "$line" >>"$log"; continue ;;
        esac
        # "pmstatus:php8.2-cli:43.7500:Unpacking php8.2-cli (amd64)": the percentage is the first
        # field with a point in it that begins with a digit.
        rest=${line#*:}
        while :; do
            field=${rest%%:*}
            case $field in [0-9]*.*) break ;; esac
            [ "$field" != "$rest" ] || continue 2
            rest=${rest#*:}
        done
        quarter=$((${field%%.*} / 25 * 25))
        if [ "$said" != "$doing $quarter" ]; then
            said="$doing $quarter"
            say "$doing, $quarter %"
        fi
    done
}

# Runs apt-get, which writes its progress to standard output (sudo would close another descriptor).
install_quietly() {
    : >"$log"
    # shellcheck disable=SC2086
    { apt_get install -y -q --no-install-recommends -o APT::Status-Fd=1 $1 2>&1 </dev/null; echo $? >"$log.code"; } | progress
    [ "$(cat "$log.code")" -eq 0 ]
}

install() {
    [ "$(id -u)" -eq 0 ] || has sudo || fail "these packages are missing: $1" \
        "become root, or install sudo, then: apt-get install --no-install-recommends $1"
    log=$(mktemp)
    trap 'rm -f "$log" "$log.code"' EXIT
    size=$(download_size "$1")
    if [ -z "$size" ]; then
        # Without a list of packages, or with an old one, apt-get does not know them.
        say "updating the list of packages"
        apt_get update -q >"$log" 2>&1 </dev/null || true
        size=$(download_size "$1")
    fi
    say "installing $1"
    [ -z "$size" ] || say "$size to download; this may take some minutes"
    if ! install_quietly "$1"; then
        # The list may be older than what the mirror has.
        say "updating the list of packages"
        if ! { apt_get update -q >"$log" 2>&1 </dev/null && install_quietly "$1"; }; then
            cat "$log" >&2
            fail "apt-get could not install $1; its output is above."
        fi
    fi
    rm -f "$log" "$log.code"
}

check_php() {
    version=$("$PHP" -n -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')
    at_least "$version" "$PHP_NEEDED" || fail "PHP $version is too old, $PHP_NEEDED or newer is needed."
    headers=$("$PHP_CONFIG" --version | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
    [ "$version" = "$headers" ] \
        || fail "$PHP is version $version, but $PHP_CONFIG is of $headers: name a matching pair in PHP and PHP_CONFIG."
}

# One that does not start says why when the tests are run.
check_phpunit() {
    version=$("$PHP" "$(find_phpunit)" --version 2>/dev/null | sed -n 's/^PHPUnit \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$version" ] || return 0
    at_least "$version" "$PHPUNIT_NEEDED" && ! at_least "$version" "$PHPUNIT_TOO_NEW" \
        || fail "PHPUnit $version does not fit the tests, which need 9.6, 10 or 11: PHPUNIT names another one."
}

[ "$job" = browser ] || check_rust
look
if [ -n "$packages" ]; then
    if has apt-get; then
        install "${packages# }"
        look
        [ -z "$packages" ] || fail "still missing after the installation:$things"
    else
        fail "please install what is missing, then try again:$things"
    fi
fi
[ "$job" = browser ] || check_php
[ "$tests" = no ] || check_phpunit
