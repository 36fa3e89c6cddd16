#!/bin/sh
# Installs the extension for a PHP, and takes it away again: `install.sh install FILE`, `install.sh uninstall`.
#
# The file goes into PHP's folder of extensions, gatewayworker-top beside the programs of that PHP, and an ini file that
# loads it to where each SAPI of that PHP finds it: in the layout of Debian and Ubuntu next to the other modules, with a link
# for each SAPI; elsewhere into the folder that PHP scans for ini files, which all SAPIs share. PHP and PHP_CONFIG name the
# programs to use instead of those in PATH. DESTDIR is put before all paths, to make a package: the system itself is then
# only looked at.

set -eu

PHP=${PHP:-php}
PHP_CONFIG=${PHP_CONFIG:-php-config}
DESTDIR=${DESTDIR:-}
# How Debian orders ini files; nothing has to be loaded before this one.
PRIORITY=20
# Next to the folder of this script.
TOP=$(dirname "$0")/../bin/gatewayworker-top

fail() {
    printf 'install: %s\n' "$@" >&2
    exit 1
}

say() {
    printf '%s\n' "$*"
}

usage() {
    echo "usage: $0 install FILE | uninstall" >&2
    exit 2
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# The ini file. A file that still reads so is ours.
ini() {
    cat <<END
; Written by the installation of gatewayworker. Its settings (gatewayworker.*) may stand here.
; priority=$PRIORITY
extension=gatewayworker
END
}

# What of the folders and ini files there is: extensions, programs, scanned, and for the layout of Debian base and mods.
look() {
    has "$PHP" || fail "$PHP was not found: name PHP for the command line in PHP."
    extensions=$("$PHP" -n -r 'echo PHP_EXTENSION_DIR;')
    programs=$("$PHP" -n -r 'echo PHP_BINDIR;')
    scanned=$("$PHP" -n -r 'echo PHP_CONFIG_FILE_SCAN_DIR;')
    single=$("$PHP" -n -r 'echo PHP_CONFIG_FILE_PATH;')
    if has "$PHP_CONFIG" && [ "$("$PHP_CONFIG" --extension-dir)" != "$extensions" ]; then
        fail "$PHP looks for extensions in $extensions, $PHP_CONFIG says $("$PHP_CONFIG" --extension-dir):" \
            "name a matching pair in PHP and PHP_CONFIG."
    fi
    library=$extensions/gatewayworker.so
    base=
    mods=
    case $scanned in
        */cli/conf.d)
            base=${scanned%/cli/conf.d}
            [ ! -d "$base/mods-available" ] || mods=$base/mods-available
            ;;
    esac
    if [ -n "$mods" ]; then
        ini_file=$mods/gatewayworker.ini
    elif [ -n "$scanned" ]; then
        ini_file=$scanned/gatewayworker.ini
    else
        ini_file=
    fi
}

# Another ini file of this PHP that loads the extension: loading it twice is a warning at every start.
loaded_elsewhere() {
    for file in "$single/php.ini" "$scanned"/*.ini ${base:+"$base"/*/conf.d/*.ini "$base"/*/php.ini}; do
        if [ -f "$file" ] && [ "$(realpath "$file")" != "$ini_file" ] && [ "$file" != "$ini_file" ] \
            && grep -Eq '^[[:space:]]*extension[[:space:]]*=[[:space:]]*"?([^";]*/)?(lib)?gatewayworker(\.so)?"?[[:space:]]*(;.*)?$' \
                "$file"; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    return 1
}

# put FILE PLACE MODE: beside it first, then over it: PHP processes that have the old file mapped go on with it.
put() {
    mkdir -p "$DESTDIR${2%/*}" || fail "$DESTDIR${2%/*} cannot be made (sudo?)."
    { cp "$1" "$DESTDIR$2.new" && chmod "$3" "$DESTDIR$2.new" && mv -f "$DESTDIR$2.new" "$DESTDIR$2"; } \
        || fail "$DESTDIR$2 cannot be written (sudo?)."
    say "installed $DESTDIR$2"
}

# The folders of Debian's SAPIs (cli, fpm, apache2, …), as far as they are there.
sapis() {
    for folder in "$base"/*/conf.d; do
        if [ -d "$folder" ]; then
            printf '%s\n' "$folder"
        fi
    done
}

enable_module() {
    if [ -z "$DESTDIR" ] && has phpenmod; then
        # Debian's own tool keeps account of it.
        phpenmod -v "${base##*/}" gatewayworker
        for folder in $(sapis); do
            say "enabled for $folder"
        done
        return
    fi
    for folder in $(sapis); do
        mkdir -p "$DESTDIR$folder"
        ln -sf ../../mods-available/gatewayworker.ini "$DESTDIR$folder/$PRIORITY-gatewayworker.ini"
        say "installed $DESTDIR$folder/$PRIORITY-gatewayworker.ini"
    done
}

install() {
    [ -f "$1" ] || fail "$1 is not there: build it first, with 'make build'."
    look
    # Before anything is changed: a file that this PHP cannot load stays out.
    "$PHP" -n -d extension="$(realpath "$1")" -r 'exit((int) !extension_loaded("gatewayworker"));' \
        || fail "$PHP does not load $1: build it with the headers of that PHP (PHP and PHP_CONFIG name the pair)."
    put "$1" "$library" 644
    put "$TOP" "$programs/gatewayworker-top" 755
    if [ -z "$ini_file" ]; then
        say "this PHP scans no folder for ini files: add the line extension=gatewayworker to $single/php.ini"
        return
    fi
    if [ -z "$DESTDIR" ] && file=$(loaded_elsewhere); then
        say "$file loads it already: no further ini file is written"
    elif [ -e "$DESTDIR$ini_file" ]; then
        say "kept $DESTDIR$ini_file"
        [ -z "$mods" ] || enable_module
    else
        text=$(mktemp)
        ini >"$text"
        put "$text" "$ini_file" 644
        rm -f "$text"
        [ -z "$mods" ] || enable_module
    fi
    [ -n "$DESTDIR" ] || check
}

check() {
    warnings=$("$PHP" --ri gatewayworker 2>&1 >/dev/null) && [ -z "$warnings" ] \
        || fail "it is installed, but $PHP does not start with it: ${warnings:-gatewayworker is not loaded}"
    say "$PHP has it: $("$PHP" -r 'echo phpversion("gatewayworker");')"
    say "services such as php-fpm load it when they are restarted"
}

remove() {
    if [ -e "$DESTDIR$1" ] || [ -L "$DESTDIR$1" ]; then
        rm -f "$DESTDIR$1" || fail "$DESTDIR$1 cannot be removed (sudo?)."
        say "removed $DESTDIR$1"
    fi
}

# Takes away the folders that were made, as far as nothing else is in them. Those of the system are never empty.
prune() {
    [ -n "$DESTDIR" ] || return 0
    folder=$DESTDIR$1
    while [ "$folder" != "$DESTDIR" ] && rmdir "$folder" 2>/dev/null; do
        folder=${folder%/*}
    done
}

uninstall() {
    look
    # The ini files first: a PHP that starts meanwhile shall not look for what is gone.
    if [ -n "$mods" ]; then
        if [ -z "$DESTDIR" ] && has phpdismod && [ -e "$ini_file" ]; then
            phpdismod -v "${base##*/}" gatewayworker
            # It remembers for each SAPI that the administrator wants the module off: of no meaning once it is gone.
            rm -f /var/lib/php/modules/"${base##*/}"/*/*_by_*/gatewayworker
        fi
        for folder in $(sapis); do
            link=$folder/$PRIORITY-gatewayworker.ini
            if [ -L "$DESTDIR$link" ]; then
                remove "$link"
                prune "$folder"
            fi
        done
    fi
    if [ -n "$ini_file" ] && [ -e "$DESTDIR$ini_file" ]; then
        if ini | cmp -s - "$DESTDIR$ini_file"; then
            remove "$ini_file"
        else
            # PHP reads .ini only, so this does no harm, and nobody's settings are lost.
            mv -f "$DESTDIR$ini_file" "$DESTDIR$ini_file.saved"
            say "removed $DESTDIR$ini_file; it had been changed: $DESTDIR$ini_file.saved"
        fi
        prune "${ini_file%/*}"
    fi
    remove "$programs/gatewayworker-top"
    prune "$programs"
    remove "$library"
    prune "$extensions"
    if [ -z "$DESTDIR" ] && file=$(loaded_elsewhere); then
        say "$file still has the line that loads it, which was not written by this: take it out"
    fi
}

case ${1:-} in
    install) [ $# -eq 2 ] || usage; install "$2" ;;
    uninstall) [ $# -eq 1 ] || usage; uninstall ;;
    *) usage ;;
esac
