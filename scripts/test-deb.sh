#!/usr/bin/env bash
# Tries a Debian package in a folder that holds nothing but a bare Debian: it installs, is on for each SAPI, pushes to
# gatewayd, and leaves nothing when it is purged: `test-deb.sh PACKAGE GATEWAYD [SUITE]`.
#
# SUITE is bookworm (PHP 8.2) or trixie (PHP 8.4). The bare folder is made once, in the user's cache, and copied for each run.
# Needs root, for chroot.

set -euo pipefail

fail() {
    printf 'test-deb: %s\n' "$@" >&2
    exit 1
}

[ $# -ge 2 ] || fail "usage: $0 PACKAGE GATEWAYD [SUITE]"
[ "$(id -u)" -eq 0 ] || fail "only root can do this: it needs chroot."
command -v debootstrap >/dev/null || fail "debootstrap was not found: install the package of that name."
suite=${3:-bookworm}
package=$(realpath "$1")
gatewayd=$(realpath "$2")
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gatewayworker/deb-$suite

if [ "${GATEWAYWORKER_DEB_STAGE:-}" != mounting ]; then
    # What is mounted goes with this, however it ends.
    export GATEWAYWORKER_DEB_STAGE=mounting
    exec unshare --mount --propagation private -- "$0" "$@"
fi
mkdir -p "$cache"
if [ ! -f "$cache/complete" ]; then
    from=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
    rm -rf "$cache/root"
    debootstrap --variant=minbase "$suite" "$cache/root" "$from" >"$cache/log" 2>&1 \
        || { tail -n 20 "$cache/log" >&2; fail "debootstrap has failed."; }
    touch "$cache/complete"
fi
bare=$(mktemp -d)
trap 'umount -l "$bare/dev" "$bare/proc" 2>/dev/null; rm -rf "$bare"' EXIT
cp -a "$cache/root/." "$bare"
mkdir -p "$bare/etc/ssl/certs"
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ ! -f "$file" ] || cp -L "$file" "$bare$file"
done
apt-config dump | grep -E '^Acquire::(https?|ftp)::' >"$bare/etc/apt/apt.conf.d/90host" || true
printf '#!/bin/sh\nexit 101\n' >"$bare/usr/sbin/policy-rc.d"
chmod 755 "$bare/usr/sbin/policy-rc.d"
cp "$package" "$bare/root/package.deb"
cp "$gatewayd" "$bare/root/gatewayd"
mount -t proc proc "$bare/proc"
mount --bind /dev "$bare/dev"

inside() {
    local variable kept=()
    for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [ -z "${!variable:-}" ] || kept+=("$variable=${!variable}")
    done
    chroot "$bare" /usr/bin/env -i "${kept[@]}" HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$1"
}

php=$(dpkg-deb -f "$package" Package)
php=${php#php}
php=${php%-gatewayworker}
inside "apt-get update -q && apt-get install -y -q --no-install-recommends /root/package.deb php$php-fpm" >"$cache/apt.log" 2>&1 \
    || { tail -n 20 "$cache/apt.log" >&2; fail "it does not install."; }
inside "php --ri gatewayworker"
inside "test -z \"\$(php --ri gatewayworker 2>&1 >/dev/null)\""
inside "test -e /etc/php/$php/cli/conf.d/20-gatewayworker.ini && test -e /etc/php/$php/fpm/conf.d/20-gatewayworker.ini"
inside "php-fpm$php -i | grep -q '^gatewayworker'"
inside "gatewayworker-top --help >/dev/null"
cp "$root/examples/push.php" "$bare/root/push.php"
inside '
    /root/gatewayd --register=127.0.0.1:0 >/tmp/ready 2>/tmp/errors &
    gatewayd=$!
    trap "kill $gatewayd" EXIT
    tries=0
    until [ -s /tmp/ready ] || [ "$tries" -ge 200 ]; do tries=$((tries + 1)); sleep 0.05; done
    cat /tmp/ready
    register=$(grep -o "\"register\":\"[^\"]*\"" /tmp/ready | head -n 1 | cut -d\" -f4)
    php -r "
        GatewayWorker\\Lib\\Gateway::\$registerAddress = \$argv[1];
        GatewayWorker\\Lib\\Gateway::sendToAll(\"hello\");
        if (!GatewayWorker\\Lib\\Gateway::flush()) { exit(1); }
        echo GatewayWorker\\Lib\\Gateway::getAllClientCount(), \" clients, pushed\n\";
    " "$register"
'
inside "apt-get purge -y -q php$php-gatewayworker" >>"$cache/apt.log" 2>&1 || { tail "$cache/apt.log" >&2; fail "it does not purge."; }
left=$(inside "find / -xdev -name '*gatewayworker*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/log/*'")
[ -z "$left" ] || fail "it leaves:" "$left"
inside "test -z \"\$(php -m | grep gatewayworker)\""
echo "$(basename "$package"): installed, pushed and purged in a bare $suite"
