#!/bin/sh
# Runs PHPUnit on what was built last, with the options that are given; the Makefile says the rest
# in PHP, PHPUNIT, EXTENSION and REPORTS. Where tests fail, their names are the last that is
# printed, so that they stand also in the end of a long log.

set -u

report=$REPORTS/phpunit.xml
log=$REPORTS/phpunit-php.log
mkdir -p "$REPORTS"
rm -f "$report" "$log"

# What PHP logs outside of the tests goes to a file: at the end of the process that is a line for
# each cluster that a test has stopped, behind PHPUnit's summary. A setting in phpunit.xml.dist
# would be undone by then.
"$PHP" -d extension="$EXTENSION" -d error_log="$log" "$PHPUNIT" --log-junit "$report" "$@"
code=$?
[ "$code" -ne 0 ] || exit 0

if [ -s "$log" ]; then
    printf '\nLast in %s:\n' "$log"
    tail -n 10 "$log"
fi
"$PHP" "$(dirname "$0")/failed-tests.php" "$report"
exit "$code"
