dnl The way of phpize around cargo: `phpize && ./configure && make && make install` in this folder.
dnl
dnl It is a folder of its own because configure writes a Makefile, and the root has one. The Rust sources are in the parent
dnl folder; --with-gatewayworker-source names another one. CARGO, CARGO_TARGET_DIR, RUSTFLAGS and LIBCLANG_PATH are taken over
dnl as they are when configure runs.

PHP_ARG_ENABLE([gatewayworker],
  [whether to build gatewayworker],
  [AS_HELP_STRING([--disable-gatewayworker], [Build nothing])],
  [yes])

PHP_ARG_WITH([gatewayworker-source],
  [where the sources of gatewayworker are],
  [AS_HELP_STRING([--with-gatewayworker-source=DIR],
    [The folder with Cargo.toml of gatewayworker [the parent of this one]])],
  [no],
  [no])

if test "$PHP_GATEWAYWORKER" != "no"; then
  AC_ARG_VAR([CARGO], [cargo, the build tool of Rust])
  AC_ARG_VAR([CARGO_TARGET_DIR], [where cargo builds, instead of the folder target of the sources])
  AC_ARG_VAR([LIBCLANG_PATH], [the folder with the library libclang, where it is not found by itself])

  case $PHP_GATEWAYWORKER_SOURCE in
    no | yes | "") GATEWAYWORKER_SOURCE=`cd "$abs_srcdir/.." && pwd` ;;
    *) GATEWAYWORKER_SOURCE=`cd "$PHP_GATEWAYWORKER_SOURCE" 2>/dev/null && pwd` ;;
  esac
  if test ! -f "$GATEWAYWORKER_SOURCE/Cargo.lock"; then
    AC_MSG_ERROR([the Rust sources are not there: --with-gatewayworker-source has to name the folder with Cargo.toml])
  fi

  dnl What is the oldest Rust is said in one place.
  gatewayworker_rust=`$SED -n 's/^rust-version = "\(.*\)"$/\1/p' "$GATEWAYWORKER_SOURCE/Cargo.toml"`
  AC_MSG_CHECKING([for cargo of Rust $gatewayworker_rust or newer])
  dnl rustup installs it here, and tells only new shells.
  if test -z "$CARGO"; then
    CARGO=`command -v cargo 2>/dev/null`
    test -n "$CARGO" || { test -x "$HOME/.cargo/bin/cargo" && CARGO="$HOME/.cargo/bin/cargo"; }
  fi
  gatewayworker_cargo=`cd "$GATEWAYWORKER_SOURCE" && "${CARGO:-cargo}" --version 2>/dev/null |
    $SED -n 's/^cargo \([[0-9.]]*\).*/\1/p'`
  if test -z "$gatewayworker_cargo"; then
    AC_MSG_RESULT([not found])
    AC_MSG_ERROR([cargo was not found. Rust $gatewayworker_rust or newer is needed: install it with rustup, or name cargo in CARGO])
  fi
  AC_MSG_RESULT([$CARGO, $gatewayworker_cargo])
  AS_VERSION_COMPARE([$gatewayworker_cargo], [$gatewayworker_rust],
    [AC_MSG_ERROR([Rust $gatewayworker_cargo is too old, $gatewayworker_rust or newer is needed: run 'rustup update stable'])])

  dnl bindgen reads the headers of PHP with it. It opens it while the build runs, so the linker cannot be asked.
  AC_MSG_CHECKING([for libclang])
  gatewayworker_libclang=
  if test -n "$LIBCLANG_PATH"; then
    gatewayworker_folders=$LIBCLANG_PATH
  else
    gatewayworker_folders="`llvm-config --libdir 2>/dev/null` /usr/lib/llvm*/lib /usr/lib/*/ /usr/lib*/ /usr/local/lib \
      /usr/local/llvm*/lib /opt/homebrew/opt/llvm*/lib /usr/local/opt/llvm*/lib \
      /Library/Developer/CommandLineTools/usr/lib \
      /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib"
  fi
  for gatewayworker_file in $LIBCLANG_PATH; do
    test -f "$gatewayworker_file" && gatewayworker_libclang=$gatewayworker_file
  done
  for gatewayworker_folder in $gatewayworker_folders; do
    test -z "$gatewayworker_libclang" || break
    for gatewayworker_file in "$gatewayworker_folder"/libclang*.so* "$gatewayworker_folder"/libclang.dylib; do
      case $gatewayworker_file in
        *libclang-cpp*) ;;
        *) test -e "$gatewayworker_file" && gatewayworker_libclang=$gatewayworker_file && break ;;
      esac
    done
  done
  if test -z "$gatewayworker_libclang"; then
    AC_MSG_RESULT([not found])
    AC_MSG_ERROR([libclang was not found, which reads the headers of PHP: install it (libclang-dev in Debian and Ubuntu, clang-devel in Fedora, clang-dev in Alpine), or name its folder in LIBCLANG_PATH])
  fi
  AC_MSG_RESULT([$gatewayworker_libclang])

  AC_MSG_CHECKING([for the PHP of $PHP_CONFIG])
  if test ! -x "$PHP_EXECUTABLE"; then
    AC_MSG_RESULT([not found])
    AC_MSG_ERROR([the build has to run PHP for the command line, but '$PHP_CONFIG --php-binary' names none: install it])
  fi
  gatewayworker_php=`"$PHP_EXECUTABLE" -n -r 'echo PHP_VERSION;'`
  if test "$gatewayworker_php" != "`$PHP_CONFIG --version`"; then
    AC_MSG_RESULT([$PHP_EXECUTABLE, $gatewayworker_php])
    AC_MSG_ERROR([$PHP_EXECUTABLE is PHP $gatewayworker_php, but $PHP_CONFIG is of PHP `$PHP_CONFIG --version`])
  fi
  AC_MSG_RESULT([$PHP_EXECUTABLE, $gatewayworker_php])

  dnl As in the Makefile of the root: the build is told of PHP only where it is not the one in PATH, since it starts anew
  dnl whenever that changes.
  gatewayworker_php_config=`command -v "$PHP_CONFIG"`
  gatewayworker_same() {
    test -n "[$]1" && test -n "[$]2" && test "`realpath "[$]1"`" = "`realpath "[$]2"`"
  }
  GATEWAYWORKER_ENV="-u PHP -u PHP_CONFIG"
  if gatewayworker_same "$PHP_EXECUTABLE" "`command -v php`" &&
    gatewayworker_same "$gatewayworker_php_config" "`command -v php-config`"; then
    :
  else
    GATEWAYWORKER_ENV="PHP='$PHP_EXECUTABLE' PHP_CONFIG='$gatewayworker_php_config'"
  fi

  if test -n "$LIBCLANG_PATH"; then
    GATEWAYWORKER_ENV="$GATEWAYWORKER_ENV LIBCLANG_PATH='$LIBCLANG_PATH'"
  fi

  dnl RUSTFLAGS takes the place of what .cargo/config.toml says, also of the option without which Rust makes no shared
  dnl libraries where the C library is musl.
  if test -n "$RUSTFLAGS"; then
    gatewayworker_rustc=`dirname "$CARGO"`/rustc
    test -x "$gatewayworker_rustc" || gatewayworker_rustc=${RUSTC:-rustc}
    case `cd "$GATEWAYWORKER_SOURCE" && "$gatewayworker_rustc" -vV | $SED -n 's/^host: //p'` in
      *-musl*) RUSTFLAGS="$RUSTFLAGS -C target-feature=-crt-static" ;;
    esac
    GATEWAYWORKER_ENV="$GATEWAYWORKER_ENV RUSTFLAGS='$RUSTFLAGS'"
  fi

  GATEWAYWORKER_TARGET=${CARGO_TARGET_DIR:-$GATEWAYWORKER_SOURCE/target}
  case $host_alias-`uname -s` in
    *Darwin*) GATEWAYWORKER_LIBRARY=$GATEWAYWORKER_TARGET/release/libgatewayworker.dylib ;;
    *) GATEWAYWORKER_LIBRARY=$GATEWAYWORKER_TARGET/release/libgatewayworker.so ;;
  esac

  PHP_SUBST([CARGO])
  PHP_SUBST([GATEWAYWORKER_SOURCE])
  PHP_SUBST([GATEWAYWORKER_ENV])
  PHP_SUBST([GATEWAYWORKER_TARGET])
  PHP_SUBST([GATEWAYWORKER_LIBRARY])
  PHP_MODULES='$(phplibdir)/gatewayworker.so'
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [.])
fi
