# Which tests scripts/valgrind.sh and scripts/asan.sh run, and which programs those start that are not looked into.
#
# Not run are: the tests of the installation, of the examples and of the board, which start a build, whole applications and a
# browser; the one that measures memory itself; those in which memory_limit ends a script, since the engine's own memory, which
# it counts, is not used; and those in which a test client reads a message of many megabytes piece by piece, which takes hours.
# shellcheck shell=bash disable=SC2034
memory_tests='/^GatewayWorker\\Tests\\(?!InstallTest|ExamplesTest|BoardTest|LifeCycle\\EnduranceTest)[\w\\]+Test::(?!testAHuge|.*[mM]emory)/'
other_programs='*/gatewayd,*/sh,*/dash,*/bash,*/env,*/ps,*/cgi-fcgi,*/make,*/cargo,*/chrom*'
# Everything takes its time.
export GATEWAYWORKER_TESTS_PATIENCE=10
