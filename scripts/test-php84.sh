#!/usr/bin/env bash
# Builds the extension against PHP 8.4 and runs the PHP tests with it, in a folder that holds a Debian 13.
#
#   scripts/test-php84.sh [options for PHPUnit]
#
# The folder is made at the first run (a minute or two) and used again: $GATEWAYWORKER_PHP84, by default
# gatewayworker/php84 in the user's cache. Its Debian comes from the mirror that apt uses on this machine; $DEBIAN_MIRROR
# names another one. The Rust toolchain and the crates are this machine's, and the project's files cannot be written to.
# Needs root, for chroot. Everything is mounted in a name space of its own, so that nothing stays mounted, however this ends.

set -euo pipefail

fail() {
    printf 'test-php84: %s\n' "$@" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

suite=trixie
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${GATEWAYWORKER_PHP84:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gatewayworker/php84}
root=$cache/root

[ "$(uname -s)" = Linux ] || fail "a folder with a Debian in it is of use on Linux only."
[ "$(id -u)" -eq 0 ] || fail "only root can do this: it needs chroot and mounts."
has apt-get || fail "this needs Debian or something made from it: apt-get was not found."
has cargo || fail "cargo was not found."

if [ "${GATEWAYWORKER_PHP84_STAGE:-}" != mounting ]; then
    # On this machine: what is missing here, and the crates.
    if ! has debootstrap || ! has unshare; then
        export DEBIAN_FRONTEND=noninteractive
        packages=(debootstrap util-linux debian-archive-keyring)
        apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null \
            || { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null; }
    fi
    (cd "$project" && cargo fetch --locked)
    GATEWAYWORKER_PHP84_STAGE=mounting exec unshare --mount --propagation private -- "$0" "$@"
fi

# From here on nobody else sees what is mounted.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || fail "it is running already."

# The first mirror of Debian proper in apt's sources, as apt itself reads them.
mirror() {
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$DEBIAN_MIRROR"
        return
    fi
    local targets
    targets=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
    if [ -z "$targets" ]; then
        # Without lists apt does not know what is Debian's.
        apt-get update -q >/dev/null </dev/null
        targets=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
    fi
    [ -n "$targets" ] || fail "apt knows no mirror of Debian here: name one in DEBIAN_MIRROR."
    printf '%s\n' "${targets%%$'\n'*}"
}

# How apt gets out of here: proxies and certificates, which lie at the same places inside.
network() {
    mkdir -p "$root/etc/apt/apt.conf.d" "$root/etc/ssl/certs"
    apt-config dump | grep -E '^Acquire::(https?|ftp)::' >"$root/etc/apt/apt.conf.d/90host" || true
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
        if [ -f "$file" ]; then
            cp -L "$file" "$root$file"
        fi
    done
    if [ -d /etc/apt/auth.conf.d ]; then
        cp -R /etc/apt/auth.conf.d "$root/etc/apt/"
    fi
}

if [ ! -f "$cache/complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    from=$(mirror)
    echo "==> Debian $suite into $root"
    debootstrap --variant=minbase --keyring="$keyring" "$suite" "$root" "$from" >"$cache/debootstrap.log" 2>&1 \
        || { tail -n 20 "$cache/debootstrap.log" >&2; fail "debootstrap has failed."; }
    touch "$cache/complete"
fi
network

# Bind-mounts something where it can be read and not written.
readable() {
    mkdir -p "$2"
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}

cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
mkdir -p "$cache/target" "$root/target" "$root/opt/cargo"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$cache/target" "$root/target"
readable "$project" "$root/project"
readable "$(cd "$project" && rustc --print sysroot)" "$root/opt/rust"
readable "$cargo_home/registry" "$root/opt/cargo/registry"
for file in config.toml config; do
    rm -f "$root/opt/cargo/$file"
    if [ -f "$cargo_home/$file" ]; then
        cp "$cargo_home/$file" "$root/opt/cargo/$file"
    fi
done

inside() {
    local variable kept=()
    for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY TERM GATEWAYWORKER_AUTOLOAD; do
        if [ -n "${!variable:-}" ]; then
            kept+=("$variable=${!variable}")
        fi
    done
    chroot "$root" /usr/bin/env -i "${kept[@]}" HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true \
        CARGO_TARGET_DIR=/target "$@"
}

if ! inside sh -c 'command -v make' >/dev/null; then
    inside sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends make' \
        >"$cache/apt.log" 2>&1 </dev/null || { cat "$cache/apt.log" >&2; fail "apt-get has failed in the folder."; }
fi
inside make -C /project setup-test
inside php -n -r 'exit((int) (PHP_MAJOR_VERSION !== 8 || PHP_MINOR_VERSION !== 4));' \
    || fail "PHP in $root is not 8.4."
inside make -C /project compile
inside make -C /project test-php PHPUNIT_FLAGS="$*"
