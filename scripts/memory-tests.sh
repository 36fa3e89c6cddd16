# Which tests scripts/valgrind.sh and scripts/asan.sh run, and which programs those start that are
# not looked into.
#
# Not run are: the tests of the installation, of the examples and of the board, which start a build,
# whole applications and a browser; the one that measures memory itself; those in which memory_limit
# ends a script, since the engine's own memory, which it counts, is not used; those about opcache,
# whose JIT makes code that neither tool can follow; those in which a test client reads a message of
# many megabytes piece by piece, which takes hours; and those that the tools themselves disturb:
# they have descriptors of their own, another user cannot write their reports, a child of a child
# reports to standard error, phpinfo() is asked after a time that is too short for them, and the
# master of php-fpm ends children that are too slow. (What php-fpm does with the extension, the
# tests with php -S do too.)
# shellcheck shell=bash disable=SC2034
classes='InstallTest|ExamplesTest|BoardTest|LifeCycle\\EnduranceTest|LifeCycle\\PhpinfoTest|LifeCycle\\FpmTest'
methods='testAHuge|testItBehavesTheSameWithOpcache|testNestedForks|testNoDescriptorAndNoThread|.*[mM]emory|.*as another user'
memory_tests='/^GatewayWorker\\Tests\\(?!'$classes')[\w\\]+Test::(?!'$methods')/'
other_programs='*/gatewayd,*/sh,*/dash,*/bash,*/env,*/ps,*/cgi-fcgi,*/make,*/cargo,*/chrom*'
# Everything takes its time.
export GATEWAYWORKER_TESTS_PATIENCE=10
