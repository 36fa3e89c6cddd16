<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

/**
 * The clients, uids and groups that one caller names in its calls.
 *
 * Each caller has uids and groups of its own, so that it knows who can be in them.
 */
final class Population
{
    /** @var list<list<string>> the clients that are there, by gateway */
    public array $clients = [];

    /** @var array<string, array<string, true>> uid ⇒ the client ids that were ever bound to it by this caller */
    public array $bound = [];

    /** @var array<string, array<string, true>> group ⇒ the client ids that ever joined it by this caller */
    public array $joined = [];

    /** The file's inode when it was read: it is replaced whole. */
    private int $clientsRead = 0;

    /**
     * @param list<string> $gateways the internal addresses
     */
    public function __construct(
        public readonly int $sender,
        private readonly array $gateways,
        private readonly string $clientsFile
    ) {
    }

    /**
     * Reads anew who is connected, if that has changed.
     */
    public function read(): void
    {
        $file = $this->clientsFile;
        clearstatcache(true, $file);
        $inode = (int) fileinode($file);
        if ($inode !== $this->clientsRead || $this->clients === []) {
            $this->clients = json_decode((string) file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
            $this->clientsRead = $inode;
        }
    }

    public function anyClient(): string
    {
        return $this->someClients(1)[0];
    }

    /**
     * @return list<string>
     */
    public function someClients(int $count): array
    {
        $ids = [];
        while (count($ids) < $count) {
            $gateway = mt_rand(0, count($this->clients) - 1);
            $there = $this->clients[$gateway];
            // One that is not there any more is as good: the gateway knows no such client.
            $ids[] = $there === [] ? $this->idAt($gateway, mt_rand(1, 9)) : $there[mt_rand(0, count($there) - 1)];
        }
        return $ids;
    }

    /**
     * A name of this caller, for a uid or a group.
     */
    public function own(string $name): string
    {
        return "@U{$this->sender}-$name";
    }

    public function anyUid(): string
    {
        return $this->own('u' . mt_rand(0, 9));
    }

    public function foreignUid(): string
    {
        return '@U' . mt_rand(1, 8) . '-u' . mt_rand(0, 9);
    }

    public function anyGroup(): string
    {
        return $this->own('g' . mt_rand(0, 4));
    }

    /**
     * @return array<string, mixed>
     */
    public function session(string $id): array
    {
        $padding = str_repeat('s', mt_rand(0, 300));
        return ['by' => $this->own(''), 'id' => $id, 'n' => mt_rand(), 'more' => $padding];
    }

    public static function isName(mixed $name): bool
    {
        return is_string($name) && preg_match('~^@U\d+-[a-z0-9-]+$~', $name) === 1;
    }

    /**
     * The number of a client's gateway; -1 where it is none.
     */
    public function gatewayOf(string $id): int
    {
        if (preg_match('~^[0-9a-f]{20}$~', $id) !== 1) {
            return -1;
        }
        $parts = unpack('Nip/nport', (string) hex2bin($id));
        $gateway = array_search(long2ip($parts['ip']) . ":{$parts['port']}", $this->gateways, true);
        return $gateway === false ? -1 : $gateway;
    }

    private function idAt(int $gateway, int $connection): string
    {
        [$ip, $port] = explode(':', $this->gateways[$gateway]);
        return bin2hex(pack('NnN', ip2long($ip), (int) $port, $connection));
    }
}
