<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * A register and the three gateways of the wire vectors, recording what reaches them (see
 * recorder.php).
 */
final class RecordingCluster
{
    public const GATEWAYS = ['127.0.77.1:2900', '127.0.77.2:2900', '127.0.77.3:2901'];
    public const SECRET = "s3\"cr/et \u{e9}";

    /** The connection for which the recorder replies without recording the query: 0xefffffff. */
    private const FENCE = 'efffffff';

    /** @var ChildProcess */
    private $process;

    /** @var string */
    private $register;

    public function __construct()
    {
        $this->process = new ChildProcess([
            PHP_BINARY,
            '-n',
            __DIR__ . '/recorder.php',
            (string) json_encode(['gateways' => self::GATEWAYS, 'secret' => bin2hex(self::SECRET)]),
        ]);
        $this->register = json_decode($this->process->readLine(), true)['register'];
    }

    /**
     * The address of the register.
     */
    public function register(): string
    {
        return $this->register;
    }

    /**
     * Forgets what was recorded and lays out replies.
     *
     * @param array<string, list<string>> $replies the payloads to serve in turn, in hex, by gateway
     */
    public function prepare(bool $secret, array $replies): void
    {
        $this->request(['cmd' => 'prepare', 'secret' => $secret, 'replies' => (object) $replies]);
    }

    /**
     * Everything recorded since prepare(): the frames by gateway, the number of barriers, and what
     * was wrong.
     *
     * A fence through each gateway comes first, so that no command is still on its way.
     *
     * @return array{frames: list<array<string, mixed>>, barriers: int, problems: list<string>}
     */
    public function take(): array
    {
        foreach (self::GATEWAYS as $address) {
            [$ip, $port] = explode(':', $address);
            Gateway::getUidByClientId(bin2hex(pack('Nn', ip2long($ip), $port)) . self::FENCE);
        }
        return $this->request(['cmd' => 'take']);
    }

    /**
     * Ends the process.
     */
    public function stop(): void
    {
        $this->process->stop();
    }

    /**
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    private function request(array $request): array
    {
        $this->process->writeLine((string) json_encode($request));
        return json_decode($this->process->readLine(), true);
    }
}
