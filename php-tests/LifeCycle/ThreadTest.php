<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * One thread, and only if it has something to do.
 *
 * @group better-than-original
 */
final class ThreadTest extends LifeCycleTestCase
{
    public function testThereIsNoThreadBeforeTheFirstUseAndOneAfterIt(): void
    {
        if (!is_dir('/proc/self/task')) {
            self::markTestSkipped('there is no /proc/self/task here');
        }
        $this->startCluster();
        $script = $this->script(
            'threads',
            ['client' => $this->text(1)->clientId()],
            ['gatewayworker.gateway_client' => '1']
        );
        self::assertSame(0, $script->wait(), $script->errors());
        $report = json_decode($script->output(), true);
        self::assertSame([
            'at the start' => 1,
            'after what needs no connection' => 1,
            'after calls that do nothing' => 1,
            'after the first message' => 2,
            'after more calls' => 2,
            'with several clusters' => 2,
            'with both classes' => 2,
            'in the end' => 2,
        ], $report);
    }
}
