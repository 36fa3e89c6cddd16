<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use GatewayWorker\Lib\Gateway;
use Throwable;

/**
 * The requests of the page. Each reply is an array, sent as JSON; a failure is under `error`.
 */
final class Api
{
    public function __construct(string $register, private readonly Gatewayd $gatewayd)
    {
        Gateway::$registerAddress = $register;
    }

    /**
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     *
     * @throws Refusal where it makes no sense
     */
    public function reply(string $what, array $request): array
    {
        return match ($what) {
            'call' => $this->call(Calls::from($request)),
            'gateway' => $this->order($request),
            'presence' => $this->presence(),
            'status' => $this->status(),
            default => throw new Refusal(404, 'The board is not able to do that.'),
        };
    }

    /**
     * Makes one call: the code of it, what it returned and how long it took.
     *
     * @return array{code: string, result?: string, error?: array{class: string, message: string}, ms: float}
     */
    private function call(Calls $call): array
    {
        $reply = ['code' => $call->code()];
        $start = hrtime(true);
        try {
            $result = $call->make();
            $reply['ms'] = self::since($start);
            $reply['result'] = PhpCode::value($result);
        } catch (Throwable $error) {
            $reply['ms'] = self::since($start);
            $reply['error'] = self::error($error);
        }
        return $reply;
    }

    /**
     * Disturbs a gateway.
     *
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    private function order(array $request): array
    {
        try {
            $this->gatewayd->order($request['gateway'] ?? null, $request['order'] ?? null);
            return [];
        } catch (Refusal $refusal) {
            throw $refusal;
        } catch (Throwable $error) {
            return ['error' => self::error($error)];
        }
    }

    /**
     * Who is who, as the gateways know it.
     *
     * @return array<string, mixed>
     */
    private function presence(): array
    {
        try {
            $clients = [];
            foreach (Gateway::getAllClientSessions() as $id => $session) {
                // An empty session is an empty object.
                $clients[$id] = ['uid' => null, 'groups' => [], 'session' => (object) $session];
            }
            $uids = Gateway::getAllUidList();
            foreach ($uids === [] ? [] : Gateway::batchGetClientIdByUid(array_values($uids)) as $uid => $ids) {
                foreach ($ids as $id) {
                    if (isset($clients[$id])) {
                        $clients[$id]['uid'] = (string) $uid;
                    }
                }
            }
            foreach (Gateway::getAllGroupClientIdList() as $group => $ids) {
                foreach ($ids as $id) {
                    if (isset($clients[$id])) {
                        $clients[$id]['groups'][] = (string) $group;
                    }
                }
            }
            return ['clients' => (object) $clients];
        } catch (Throwable $error) {
            return ['error' => self::error($error)];
        }
    }

    /**
     * Both sides at this moment: the extension in this process, and the gateways. Asks no gateway
     * anything.
     *
     * @return array<string, mixed>
     */
    private function status(): array
    {
        $reply = ['status' => Gateway::status()];
        try {
            $reply['gateways'] = $this->gatewayd->gateways();
        } catch (Throwable $error) {
            $reply['error'] = self::error($error);
        }
        return $reply;
    }

    /**
     * @return array{class: string, message: string}
     */
    private static function error(Throwable $error): array
    {
        return ['class' => get_class($error), 'message' => $error->getMessage()];
    }

    /**
     * Milliseconds since a moment.
     *
     * @param int $start what hrtime(true) was
     */
    private static function since(int $start): float
    {
        return round((hrtime(true) - $start) / 1e6, 3);
    }
}
