<?php

/**
 * PHP code that runs inside of a call: it calls again, forks, throws or exits.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\Implementation;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

Implementation::loadContext();
Context::$client_id = $client = $config['client'];
[Context::$local_ip, Context::$local_port, Context::$connection_id]
    = array_values(unpack('N1ip/n1port/N1connection', (string) hex2bin($client)));

/**
 * Runs a function whenever a call converts it.
 */
final class Inner implements JsonSerializable
{
    /** @var callable */
    private $run;

    public function __construct(callable $run)
    {
        $this->run = $run;
    }

    /** @return array<mixed> */
    public function __serialize(): array
    {
        ($this->run)('serialize');
        return ['plain'];
    }

    /** @param array<mixed> $data */
    public function __unserialize(array $data): void
    {
    }

    #[ReturnTypeWillChange]
    public function jsonSerialize()
    {
        ($this->run)('json');
        return 'room';
    }

    public function __toString(): string
    {
        ($this->run)('string');
        return 'room';
    }
}

final class Worker
{
    /** @var callable */
    private $run;

    /** @var list<string> */
    private $gateways;

    /** @param list<string> $gateways */
    public function __construct(callable $run, array $gateways)
    {
        [$this->run, $this->gateways] = [$run, $gateways];
    }

    /** @return mixed */
    public function __get(string $name)
    {
        ($this->run)('property');
        return array_fill_keys($this->gateways, new stdClass());
    }

    /** @return list<string> */
    public function getAllGatewayAddresses(): array
    {
        ($this->run)('addresses');
        return $this->gateways;
    }
}

final class Destroyed
{
    /** @var callable */
    public static $run;

    public function __destruct()
    {
        (self::$run)('destructor');
    }
}

/** Makes every call inside which PHP code runs. */
$outer = static function (callable $run) use ($client, $config): array {
    $results = [];
    $inner = new Inner($run);
    $calls = [
        'message' => static function () use ($client, $inner) {
            return Gateway::sendToClient($client, [$inner]);
        },
        'group' => static function () use ($inner) {
            return Gateway::sendToGroup([$inner], 'to a group');
        },
        'uid' => static function () use ($client, $inner) {
            return Gateway::bindUid($client, $inner);
        },
        'session' => static function () use ($client, $inner) {
            return Gateway::setSession($client, ['inner' => $inner]);
        },
        'updated session' => static function () use ($client, $inner) {
            return Gateway::updateSession($client, ['inner' => $inner]);
        },
        'session that goes' => static function () use ($client, $run) {
            Destroyed::$run = $run;
            $_SESSION = ['old' => new Destroyed()];
            Context::$old_session = null;
            return Gateway::setSession($client, ['new' => 1]);
        },
        'addresses of a worker' => static function () use ($run, $config) {
            Gateway::setBusinessWorker(new Worker($run, $config['gateways']));
            try {
                return Gateway::getAllClientIdCount();
            } finally {
                Gateway::setBusinessWorker(null);
            }
        },
        'connections of a worker' => static function () use ($run, $config) {
            Gateway::setBusinessWorker(new Worker($run, $config['gateways']));
            try {
                return Gateway::sendToAll('to all');
            } finally {
                Gateway::setBusinessWorker(null);
            }
        },
        'a worker that goes' => static function () use ($run) {
            Destroyed::$run = $run;
            Gateway::setBusinessWorker(new Destroyed());
            return Gateway::setBusinessWorker(null);
        },
    ];
    foreach ($calls as $name => $call) {
        try {
            $results[$name] = $call();
        } catch (Throwable $thrown) {
            Gateway::setBusinessWorker(null);
            $results[$name] = get_class($thrown) . ': ' . $thrown->getMessage();
        }
    }
    return $results;
};

$seen = [];
$number = 0;
$report = [];
switch ($config['what']) {
    case 'calls':
        $again = static function (string $where) use (&$seen, &$number, $client): void {
            static $inside = false;
            if ($inside) {
                return;
            }
            $inside = true;
            $seen[] = $where;
            Gateway::sendToClient($client, 'inner ' . $number++);
            Gateway::getAllClientIdCount();
            Gateway::setSession($client, ['inner session' => $number]);
            Gateway::updateSession($client, ['more' => $number]);
            Gateway::joinGroup($client, 'inner');
            Gateway::getAllClientSessions();
            $inside = false;
        };
        $report = $outer($again);
        break;
    case 'other cluster':
        // The call continues in its cluster, although the statics have changed by then.
        $again = static function (string $where) use (&$seen, $client, $config): void {
            $seen[] = $where;
            Gateway::$registerAddress = '127.0.0.1:9';
            Gateway::$secretKey .= 'x';
            Gateway::$registerAddress = $config['register'];
            Gateway::$secretKey = '';
        };
        $report = $outer($again);
        break;
    case 'fork':
        $fork = static function (string $where) use (&$seen, &$number, $client): void {
            static $inside = false;
            if ($inside) {
                return;
            }
            $seen[] = $where;
            $number++;
            reap([child(static function () use ($number, $client, &$inside): void {
                $inside = true;
                Gateway::sendToClient($client, 'inner ' . ($number - 1));
                Gateway::getAllClientIdCount();
            })]);
        };
        $report = $outer($fork);
        break;
    case 'throw':
        $throw = static function (string $where) use (&$seen): void {
            $seen[] = $where;
            throw new LogicException("thrown in $where");
        };
        $report = $outer($throw);
        break;
    case 'exit':
        foreach (['message', 'group', 'session', 'addresses'] as $where) {
            reap([child(static function () use ($outer, $where, $client): void {
                Gateway::sendToClient($client, "before $where");
                $skip = ['message' => 0, 'group' => 1, 'session' => 3, 'addresses' => 6][$where];
                $outer(static function () use (&$skip): void {
                    if ($skip-- <= 0) {
                        exit(0);
                    }
                });
                fwrite(STDERR, "$where did not exit\n");
            })]);
        }
        break;
    case 'fiber':
        $suspend = static function (string $where) use (&$seen): void {
            // Before PHP 8.4, fibers cannot be switched in a destructor.
            if (Fiber::getCurrent() !== null && $where !== 'destructor') {
                $seen[] = $where;
                Fiber::suspend($where);
            }
        };
        $fiber = new Fiber(static function () use ($outer, $suspend): array {
            return $outer($suspend);
        });
        $fiber->start();
        while (!$fiber->isTerminated()) {
            Gateway::sendToClient($client, 'inner ' . $number++);
            Gateway::getAllClientIdCount();
            $fiber->resume();
        }
        $report = $fiber->getReturn();
        break;
}
Gateway::sendToClient($client, 'end');
say(['results' => $report, 'seen' => $seen, 'inner' => $number, 'count' => Gateway::getAllClientIdCount()]);
