<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * A process that uses the class only connects to others; nobody can connect to it.
 */
final class ListenTest extends LifeCycleTestCase
{
    public function testNothingListens(): void
    {
        if (!is_readable('/proc/self/net/tcp') || !is_dir('/proc/self/fd')) {
            self::markTestSkipped('there is no /proc/self/net here');
        }
        $this->startCluster(2, self::SECRET);
        $config = ['client' => $this->text(1)->clientId(), 'secret' => self::SECRET];
        $report = $this->resultOf('listen', $config, [
            'gatewayworker.gateway_client' => '1',
            'gatewayworker.status_path' => $this->directory(),
        ]);
        self::assertSame(['tcp'], $report['proof'], 'a listening socket is found where there is one');
        self::assertGreaterThanOrEqual(4, $report['sockets'], 'there are connections');
        self::assertSame([], $report['listening']);
    }
}
