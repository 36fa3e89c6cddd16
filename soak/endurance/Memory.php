<?php

declare(strict_types=1);

namespace GatewayWorker\Soak\Endurance;

use FFI;
use FFI\Exception;

/**
 * What this process holds, as exactly as one can know it from within.
 */
final class Memory
{
    /** @var FFI|null the C library, where it can tell what its allocator has given out */
    private ?FFI $library = null;

    public function __construct()
    {
        if (!extension_loaded('FFI')) {
            return;
        }
        try {
            $this->library = FFI::cdef('
                struct mallinfo2 {
                    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
                };
                struct mallinfo2 mallinfo2(void);
            ');
        } catch (Exception) {
            // Another C library than that of GNU, or one before 2.33.
            $this->library = null;
        }
    }

    /**
     * What is held now, in bytes: `zend` is the engine's own memory and `malloc` that of the C
     * library in all its arenas (null where it cannot be asked), both as they were given out, to
     * the byte; `rss` and `anonymous` are what the kernel says, in whole pages. And the numbers of
     * descriptors and threads.
     *
     * @return array{zend: int, malloc: int|null, rss: int, anonymous: int, descriptors: int, threads: int}
     */
    public function look(): array
    {
        gc_collect_cycles();
        $status = (string) file_get_contents('/proc/self/status');
        $line = static fn (string $name): int => preg_match("~^$name:\\s+(\\d+)~m", $status, $found) === 1 ? (int) $found[1] : 0;
        $malloc = null;
        if ($this->library !== null) {
            $info = $this->library->mallinfo2();
            $malloc = $info->uordblks + $info->hblkhd;
        }
        return [
            'zend' => memory_get_usage(),
            'malloc' => $malloc,
            'rss' => $line('VmRSS') * 1024,
            'anonymous' => $line('RssAnon') * 1024,
            // Without ".", "..", and the one that looks.
            'descriptors' => count((array) scandir('/proc/self/fd')) - 3,
            'threads' => $line('Threads'),
        ];
    }

    /**
     * As {@see look()}, when the background has come to rest: when it says the same several times
     * in a row.
     *
     * @return array{zend: int, malloc: int|null, rss: int, anonymous: int, descriptors: int, threads: int}
     */
    public function lookAtRest(): array
    {
        $last = $this->look();
        for ($same = 0, $looks = 0; $same < 3 && $looks < 500; $looks++) {
            usleep(2000);
            $now = $this->look();
            $same = $now === $last ? $same + 1 : 0;
            $last = $now;
        }
        return $last;
    }
}
