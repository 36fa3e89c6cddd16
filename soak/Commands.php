<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;

/**
 * The commands, each with whatever arguments; the books hold what became of them.
 */
final class Commands
{
    /** @var class-string */
    private readonly string $class;

    public function __construct(
        private readonly Subject $subject,
        private readonly Population $population,
        private readonly Books $books,
        private readonly Examiner $examiner
    ) {
        $this->class = $subject->class;
    }

    public function sendToClient(?string $id = null): void
    {
        $id ??= $this->population->anyClient();
        $raw = mt_rand(0, 19) === 0 && $this->class === Gateway::class;
        $this->toOne($id, fn (string $message) => $raw
            ? Gateway::sendToClient($id, $message, true)
            : $this->class::sendToClient($id, $message));
    }

    public function sendToAll(): void
    {
        $this->toMany(null, fn (string $message) => $this->class::sendToAll($message));
    }

    public function sendToAllListed(): void
    {
        $ids = $this->population->someClients(mt_rand(1, 6));
        $to = array_values(array_unique(array_map($this->population->gatewayOf(...), $ids)));
        // A gateway that is known from client ids only, and away, is left out: the log tells.
        $send = fn (string $message) => $this->class::sendToAll($message, $ids);
        $this->toMany($to, $send, $this->examiner->listed);
    }

    public function sendToAllExcept(): void
    {
        $ids = $this->population->someClients(mt_rand(1, 3));
        $this->toMany(null, fn (string $message) => $this->class::sendToAll($message, null, $ids));
    }

    public function sendToUid(): void
    {
        $uid = $this->population->anyUid();
        $this->toMany(null, fn (string $message) => $this->class::sendToUid($uid, $message));
    }

    public function sendToUids(): void
    {
        $uids = [$this->population->anyUid(), $this->population->anyUid(), $this->population->foreignUid()];
        $this->toMany(null, fn (string $message) => $this->class::sendToUid($uids, $message));
    }

    public function sendToGroup(): void
    {
        $group = $this->population->anyGroup();
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($group, $message));
    }

    public function sendToGroups(): void
    {
        $groups = [$this->population->anyGroup(), $this->population->anyGroup()];
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($groups, $message));
    }

    public function sendToGroupExcept(): void
    {
        [$group, $ids] = [$this->population->anyGroup(), $this->population->someClients(2)];
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($group, $message, $ids));
    }

    public function sendToCurrentClient(): void
    {
        $this->asCurrent(fn (string $id) => $this->toOne($id, Gateway::sendToCurrentClient(...)));
    }

    public function closeCurrentClient(): void
    {
        $this->asCurrent(fn (string $id) => $this->toOne($id, Gateway::closeCurrentClient(...)));
    }

    public function closeClient(): void
    {
        $id = $this->population->anyClient();
        $this->toOne($id, fn (string $message) => $this->class::closeClient($id, $message));
    }

    public function destroyClient(): void
    {
        $id = $this->population->anyClient();
        $method = mt_rand(0, 1) === 0 ? 'destoryClient' : 'destroyClient';
        $this->about($id, fn () => $this->class::$method($id), true);
    }

    public function bindUid(): void
    {
        [$id, $uid] = [$this->population->anyClient(), $this->population->anyUid()];
        $this->population->bound[$uid][$id] = true;
        $this->about($id, fn () => $this->class::bindUid($id, $uid));
    }

    public function unbindUid(): void
    {
        [$id, $uid] = [$this->population->anyClient(), $this->population->anyUid()];
        $this->about($id, fn () => $this->class::unbindUid($id, $uid));
    }

    public function joinGroup(): void
    {
        [$id, $group] = [$this->population->anyClient(), $this->population->anyGroup()];
        $this->population->joined[$group][$id] = true;
        $this->about($id, fn () => $this->class::joinGroup($id, $group));
    }

    public function leaveGroup(): void
    {
        [$id, $group] = [$this->population->anyClient(), $this->population->anyGroup()];
        $this->about($id, fn () => $this->class::leaveGroup($id, $group));
    }

    public function ungroup(): void
    {
        $group = $this->population->anyGroup();
        $done = false;
        try {
            $this->class::ungroup($group);
            $done = true;
        } finally {
            foreach ($this->subject->targets() as $gateway) {
                $sure = $done && !$this->subject->worker && $gateway !== Cluster::GUEST;
                $this->books->count($gateway, $sure ? true : null);
            }
        }
    }

    public function setSession(): void
    {
        $id = $this->population->anyClient();
        $this->about($id, fn () => $this->class::setSession($id, $this->population->session($id)));
    }

    public function updateSession(): void
    {
        $id = $this->population->anyClient();
        $this->about($id, fn () => $this->class::updateSession($id, $this->population->session($id)));
    }

    public function setSocketSession(): void
    {
        $id = $this->population->anyClient();
        $session = serialize($this->population->session($id));
        $this->about($id, fn () => $this->class::setSocketSession($id, $session), true);
    }

    public function badId(): void
    {
        if ($this->class === Gateway::class) {
            $this->examiner->expect(false, Gateway::sendToClient('nobody', 'nothing'), 'sendToClient with a bad id');
        }
    }

    public function flush(): void
    {
        $this->class::flush(0.01);
    }

    /**
     * Sends a message to one gateway. The function returns what the call returns.
     *
     * @param callable(string): mixed $send
     */
    private function toOne(string $id, callable $send): void
    {
        $to = [$this->population->gatewayOf($id)];
        $message = $this->books->message($to);
        $accepted = false;
        try {
            $accepted = $send($message) !== false;
        } finally {
            $this->books->settle($to, $accepted);
        }
    }

    /**
     * Sends a message to several gateways; null: to all.
     *
     * @param list<int>|null          $to
     * @param callable(string): mixed $send
     * @param bool                    $members whether they are members of the cluster for sure
     */
    private function toMany(?array $to, callable $send, bool $members = true): void
    {
        $to ??= $this->subject->targets();
        $message = $this->books->message($to);
        $done = false;
        try {
            $send($message);
            $done = true;
        } finally {
            foreach ($to as $gateway) {
                // The guest may have left without our knowing. A BusinessWorker is never told that
                // a queue is full.
                $sure = $done && $members && !$this->subject->worker && $gateway !== Cluster::GUEST;
                $this->books->settle([$gateway], $sure ? true : null);
            }
        }
    }

    /**
     * A command about one client, without a message.
     *
     * @param callable(): mixed $command
     */
    private function about(string $id, callable $command, bool $returns = false): void
    {
        $gateway = $this->population->gatewayOf($id);
        $outcome = false;
        try {
            $returned = $command();
            // In worker mode, commands that return nothing do not tell whether they were accepted.
            $outcome = $returns ? $returned : ($this->subject->worker ? null : true);
        } finally {
            $this->books->count($gateway, $outcome);
        }
    }

    /**
     * @param callable(string): void $call
     */
    private function asCurrent(callable $call): void
    {
        $id = $this->population->anyClient();
        $address = unpack('Nip/nport/Nconnection', (string) hex2bin($id));
        Context::$client_id = $id;
        Context::$local_ip = $address['ip'];
        Context::$local_port = $address['port'];
        Context::$connection_id = $address['connection'];
        try {
            $call($id);
        } finally {
            Context::clear();
        }
    }
}
