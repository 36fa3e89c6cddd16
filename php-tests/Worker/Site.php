<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\TextClient;
use GatewayWorker\Tests\Support\WebSocketClient;

/**
 * Where the scenario is played: gateways for clients, with workers behind them that run the
 * application in app/.
 */
interface Site
{
    /**
     * Connects a client that speaks in lines, to the first or the second gateway for such.
     */
    public function text(int $number): TextClient;

    /**
     * Connects a WebSocket client, to the first or the second gateway for such.
     */
    public function websocket(int $number): WebSocketClient;

    /**
     * The internal addresses of the gateways, with names that do not change from run to run.
     *
     * @return array<string, string>
     */
    public function gateways(): array;
}
