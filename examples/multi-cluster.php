<?php

/**
 * Two clusters in one process: each pair of register and secret key has connections of its own.
 *
 *     php multi-cluster.php 127.0.0.1:1236 127.0.0.1:1336
 *
 * The environment variables FIRST_SECRET_KEY and SECOND_SECRET_KEY hold the secret keys, where
 * there are any. Exit codes: 0 both clusters got the message, 1 one of them did not, 2 wrong usage.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\GatewayException;

/**
 * A cluster as a class of its own. It has to declare the properties anew: else it shares those of
 * Gateway.
 */
final class Shop extends Gateway
{
    public static $registerAddress = '127.0.0.1:1236';
    public static $secretKey = '';
}

/**
 * Another one, at the same time.
 */
final class Support extends Gateway
{
    public static $registerAddress = '127.0.0.1:1336';
    public static $secretKey = '';
}

if ($argc !== 3) {
    fwrite(STDERR, "Usage: php multi-cluster.php <register of the first cluster> <register of the second>\n");
    exit(2);
}
Shop::$registerAddress = $argv[1];
Shop::$secretKey = (string) getenv('FIRST_SECRET_KEY');
Support::$registerAddress = $argv[2];
Support::$secretKey = (string) getenv('SECOND_SECRET_KEY');

// A class per cluster: the way for code that needs both all the time.
$failed = 0;
foreach ([Shop::class, Support::class] as $class) {
    try {
        $class::sendToAll("hello from $class");
        printf("%s: %d clients\n", $class, $class::getAllClientCount());
    } catch (GatewayException $e) {
        // The other cluster is none the worse for it.
        fprintf(STDERR, "%s: %s\n", $class, $e->getMessage());
        $failed++;
    }
}

// The properties of the one class, changed between calls: the way for code that has it from a
// configuration.
foreach ([Shop::class, Support::class] as $class) {
    Gateway::$registerAddress = $class::$registerAddress;
    Gateway::$secretKey = $class::$secretKey;
    try {
        Gateway::sendToAll("hello by way of {$class::$registerAddress}");
    } catch (GatewayException $e) {
        fprintf(STDERR, "%s: %s\n", $class::$registerAddress, $e->getMessage());
        $failed++;
    }
}

// Both ways lead to the same clusters: there are two, however often the properties change.
foreach (Gateway::status()['clusters'] as $cluster) {
    // In a BusinessWorker there is no register to be told of.
    $registers = $cluster['register']['registers'] ?? [];
    printf("%s: %d gateways\n", implode(', ', $registers), count($cluster['gateways']));
}
exit($failed > 0 ? 1 : 0);
