<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Outcome;

/**
 * Sessions of random values, and of random bytes: what is read of them is what the engine's
 * unserialize() reads, and what is written is what its serialize() writes.
 *
 * The values differ from run to run. Each failure names the seed, which GATEWAYWORKER_TEST_SEED in
 * the environment repeats.
 */
final class ReaderPropertyTest extends GatewayTestCase
{
    private const VALUES = 3000;
    private const MUTATIONS = 3000;
    private const SESSIONS_PER_LIST = 100;

    /** Commands 203 and 10: one session, and all of them. */
    private const GET_SESSION = 203;
    private const GET_ALL_SESSIONS = 10;

    /** The reader leaves what nests deeper than this to the engine. */
    private const DEEPEST = 512;

    /** What comes of bytes: `read`, or these. */
    private const REFUSED = 'refused';
    private const THREW = 'threw';

    /** @var Gatewayd */
    private static $cluster;

    /** @var int */
    private $seed;

    /** @var string what the ids of the only gateway's clients begin with */
    private $prefix;

    public static function setUpBeforeClass(): void
    {
        self::$cluster = Gatewayd::start(1);
    }

    public static function tearDownAfterClass(): void
    {
        self::$cluster->stop();
    }

    protected function setUp(): void
    {
        parent::setUp();
        Gateway::$registerAddress = self::$cluster->register();
        [$ip, $port] = explode(':', self::$cluster->internal(0));
        $this->prefix = bin2hex(pack('Nn', ip2long($ip), (int) $port));
        $this->seed = (int) (getenv('GATEWAYWORKER_TEST_SEED') ?: random_int(1, PHP_INT_MAX >> 32));
        mt_srand($this->seed);
    }

    protected function tearDown(): void
    {
        mt_srand();
        parent::tearDown();
    }

    public function testASessionOfAnyValueIsReadAsTheEngineReadsIt(): void
    {
        foreach ($this->values(self::VALUES / 3) as $bytes) {
            $outcome = $this->getSession($bytes);
            self::assertNull($outcome->thrown, $this->about($bytes));
            self::assertSame([], $outcome->warnings, $this->about($bytes));
            self::assertSame('', $outcome->logged, $this->about($bytes));
            $this->assertSameAs($bytes, $outcome->returned);
        }
    }

    public function testAListOfSessionsOfAnyValuesIsReadAsTheEngineReadsThem(): void
    {
        foreach (array_chunk($this->values(self::VALUES), self::SESSIONS_PER_LIST) as $list) {
            $outcome = $this->getAllSessions($list);
            self::assertNull($outcome->thrown, $this->about(''));
            self::assertSame('', $outcome->logged, $this->about(''));
            self::assertSame($this->clientIds($list), array_map('strval', array_keys($outcome->returned)), $this->about(''));
            foreach (array_values($outcome->returned) as $index => $session) {
                $this->assertSameAs($list[$index], $session);
            }
        }
    }

    public function testASessionIsWrittenAsTheEngineWritesIt(): void
    {
        $writer = new class () extends Gateway {
            /** @var string */
            public static $written;

            public static function setSocketSession($client_id, $session_str)
            {
                self::$written = $session_str;
                return true;
            }
        };
        $sessions = [[], ['a' => PHP_INT_MIN, 'b' => [true, false, null], '' => "\0\xff", -7 => ['x' => ['y' => 'z']]]];
        for ($deep = [], $depth = 0; $depth < 40; $depth++) {
            $sessions[] = $deep = ['deep' => $deep, 'n' => $depth];
        }
        while (count($sessions) < self::VALUES) {
            $sessions[] = ['s' => $this->value(3), $this->string() => $this->int(), 'l' => [$this->string(), $this->int()]];
        }
        foreach ($sessions as $session) {
            $writer::setSession("{$this->prefix}00000001", $session);
            self::assertSame(serialize($session), $writer::$written, $this->about(serialize($session)));
        }
    }

    /**
     * Sessions of a few shapes in turn, as applications have them: what one has in common with
     * those before it is not read anew.
     */
    public function testAListOfSessionsOfAFewShapesIsReadAsTheEngineReadsThem(): void
    {
        for ($round = 0; $round < self::VALUES / self::SESSIONS_PER_LIST; $round++) {
            $shapes = [];
            for ($count = mt_rand(1, 3); count($shapes) < $count;) {
                $shapes[] = array_map(fn (): string => $this->string(), range(1, mt_rand(1, 6)));
            }
            $equal = [serialize($this->value(2)), serialize([1, ['x' => 2.5]])];
            $list = [];
            while (count($list) < self::SESSIONS_PER_LIST) {
                $pairs = '';
                $keys = $shapes[mt_rand(0, $count - 1)];
                if (mt_rand(0, 9) === 0) {
                    // One key is another one, or comes twice.
                    $keys[mt_rand(0, count($keys) - 1)] = mt_rand(0, 1) === 0 ? $this->string() : $keys[0];
                }
                foreach ($keys as $key) {
                    $value = mt_rand(0, 1) === 0 ? $equal[mt_rand(0, 1)] : serialize($this->value(mt_rand(0, 2)));
                    $pairs .= serialize($key) . $value;
                }
                $bytes = 'a:' . count($keys) . ":{{$pairs}}";
                // What the engine refuses (a reference that points elsewhere here) is for the other
                // tests.
                $read = $this->engine($bytes);
                if ($read->thrown === null && $read->returned !== false) {
                    $list[] = $bytes;
                }
            }
            $outcome = $this->getAllSessions($list);
            self::assertNull($outcome->thrown, $this->about(''));
            foreach (array_values($outcome->returned) as $index => $session) {
                $this->assertSameAs($list[$index], $session);
            }
        }
    }

    /**
     * @group better-than-original
     */
    public function testSessionsAreReadAsTheEngineReadsThem(): void
    {
        $seen = ['read' => 0, self::REFUSED => 0, self::THREW => 0];
        foreach ($this->mutations() as $bytes) {
            $outcome = $this->getSession($bytes);
            self::assertSame('', $outcome->printed . $outcome->logged, $this->about($bytes));
            $seen[self::kind($outcome)]++;
            if ($outcome->thrown === null) {
                $this->assertSameAs($bytes, $outcome->returned);
                // Since PHP 8.3 the engine warns of bytes behind the value, which the extension
                // does not pass to it.
                $warnings = preg_grep('/Extra data/', $this->engine($bytes)->warnings, PREG_GREP_INVERT);
                self::assertCount(count($warnings), $outcome->warnings, $this->about($bytes));
            } elseif (self::kind($outcome) === self::REFUSED) {
                $this->assertRefused($bytes, $outcome);
            } else {
                $thrown = $this->engine($bytes)->thrown;
                self::assertNotNull($thrown, "{$outcome->thrown}: {$this->about($bytes)}");
                self::assertSame(get_class($thrown), get_class($outcome->thrown), $this->about($bytes));
                self::assertSame($thrown->getMessage(), $outcome->thrown->getMessage(), $this->about($bytes));
            }
        }
        self::assertGreaterThan(self::MUTATIONS / 20, min($seen['read'], $seen[self::REFUSED]), $this->about(''));
    }

    /**
     * @group better-than-original
     */
    public function testBytesThatAreNoSessionAreFalseInAListAndSpoilNoOther(): void
    {
        foreach (array_chunk($this->mutations(), self::SESSIONS_PER_LIST) as $chunk) {
            [$list, $broken] = [[], []];
            foreach ($chunk as $bytes) {
                $kind = self::kind($this->getSession($bytes));
                // What an object's own code throws ends the call; the other test looks at that.
                if ($kind !== self::THREW) {
                    $list[] = $bytes;
                    // In a list the original takes a session that is false to PHP for none.
                    $broken[] = $kind === self::REFUSED && $bytes !== '0';
                }
            }
            $outcome = $this->getAllSessions($list);
            self::assertNull($outcome->thrown, $this->about((string) $outcome->thrown));
            self::assertSame($this->clientIds($list), array_map('strval', array_keys($outcome->returned)), $this->about(''));
            foreach (array_values($outcome->returned) as $index => $session) {
                if ($broken[$index]) {
                    self::assertFalse($session, $this->about($list[$index]));
                } elseif ($list[$index] === '0') {
                    self::assertSame([], $session);
                } else {
                    $this->assertSameAs($list[$index], $session);
                }
            }
            $count = count(array_filter($broken));
            $isLogged = strpos($outcome->logged, "$count sessions are not") !== false;
            self::assertSame($count > 0, $isLogged, $this->about('') . $outcome->logged);
        }
    }

    /**
     * @group better-than-original
     *
     * @dataProvider whatOnlyTheEngineRefuses
     */
    public function testWhatOnlyTheEngineRefusesThrowsTooAndIsFalseInAList(string $bytes): void
    {
        self::assertSame(self::REFUSED, self::kind($this->getSession($bytes)));
        self::assertSame([false, [1]], array_values($this->getAllSessions([$bytes, serialize([1])])->returned));
    }

    /**
     * @return array<string, array{string}>
     */
    public static function whatOnlyTheEngineRefuses(): array
    {
        $suit = ReaderPropertySuit::class;
        $case = static function (string $name): string {
            return sprintf('E:%d:"%s";', strlen($name), $name);
        };
        return [
            'a reference to nothing' => ['a:1:{i:0;R:9;}'],
            'a case that the enum does not have' => ["a:1:{i:0;{$case("$suit:Stars")}}"],
            'a case of an enum that is not there' => [$case('NoSuchEnum:Any')],
            'a reference to nothing within an object' => ['O:8:"stdClass":1:{s:1:"p";R:7;}'],
        ];
    }

    private function getSession(string $bytes): Outcome
    {
        self::$cluster->replyWith(0, self::GET_SESSION, $bytes);
        return $this->observe(function () {
            return Gateway::getSession("{$this->prefix}00000001");
        });
    }

    /**
     * @param list<string> $sessions
     */
    private function getAllSessions(array $sessions): Outcome
    {
        $reply = '';
        foreach ($sessions as $index => $bytes) {
            $reply .= "i:$index;s:" . strlen($bytes) . ":\"$bytes\";";
        }
        $count = count($sessions);
        self::$cluster->replyWith(0, self::GET_ALL_SESSIONS, "a:$count:{{$reply}}");
        return $this->observe(static function () {
            return Gateway::getAllClientSessions();
        });
    }

    /**
     * @param list<string> $sessions
     *
     * @return list<string>
     */
    private function clientIds(array $sessions): array
    {
        $ids = [];
        foreach (array_keys($sessions) as $index) {
            $ids[] = $this->prefix . sprintf('%08x', $index);
        }
        return $ids;
    }

    /**
     * What the engine itself makes of the bytes.
     */
    private function engine(string $bytes): Outcome
    {
        return $this->observe(static function () use ($bytes) {
            return unserialize($bytes);
        });
    }

    /**
     * @return 'read'|'refused'|'threw'
     */
    private static function kind(Outcome $outcome): string
    {
        if ($outcome->thrown === null) {
            return 'read';
        }
        return $outcome->thrown instanceof \GatewayWorker\Lib\GatewayException ? self::REFUSED : self::THREW;
    }

    /**
     * Requires what unserialize() makes of the bytes: types, order, references, -0 and NAN
     * included.
     *
     * @param mixed $actual
     */
    private function assertSameAs(string $bytes, $actual): void
    {
        $expected = $this->engine($bytes);
        self::assertNull($expected->thrown, "{$expected->thrown}: {$this->about($bytes)}");
        self::assertTrue($expected->returned !== false || strncmp($bytes, 'b:0;', 4) === 0, $this->about($bytes));
        self::assertSame(serialize($expected->returned), serialize($actual), $this->about($bytes));
    }

    /**
     * Requires the right exception, and that the engine refuses the bytes too. Two things it lets
     * pass: a number that is out of range, for which it takes another one and warns; and strings of
     * the type S, with escapes in them, which no PHP writes, and which PHP 8.4 deprecates.
     */
    private function assertRefused(string $bytes, Outcome $outcome): void
    {
        $message = $outcome->thrown->getMessage();
        self::assertInstanceOf(\GatewayWorker\Lib\BadReplyException::class, $outcome->thrown, $this->about($bytes));
        self::assertStringContainsString(self::$cluster->internal(0), $message);
        $engine = $this->engine($bytes);
        // An object's own code may throw before the engine comes to what is wrong.
        if ($engine->thrown !== null || $engine->returned === false && strncmp($bytes, 'b:0;', 4) !== 0) {
            return;
        }
        if (preg_match('/the number at byte \d+ is out of range/', $message)) {
            self::assertStringContainsString('out of range', implode("\n", $engine->warnings), $this->about($bytes));
        } else {
            self::assertMatchesRegularExpression('/byte \d+ is not serialized/', $message, $this->about($bytes));
            preg_match('/byte (\d+) is/', $message, $match);
            self::assertSame('S', $bytes[(int) $match[1]], "the engine reads it: {$this->about($bytes)}");
        }
    }

    private function about(string $bytes): string
    {
        return "seed {$this->seed}: " . addcslashes(substr($bytes, 0, 500), "\0..\37\177..\377");
    }

    // ---- random values ----

    /**
     * @return list<string> serialized
     */
    private function values(int $count): array
    {
        $values = [serialize(self::nested(self::DEEPEST)), serialize(self::nested(self::DEEPEST + 1))];
        while (count($values) < $count) {
            // What serialize() writes, and what others might.
            $values[] = mt_rand(0, 1) === 0 ? serialize($this->value(4)) : $this->foreign(4);
        }
        return $values;
    }

    /**
     * @return mixed
     */
    private function value(int $depth)
    {
        switch (mt_rand(0, $depth > 0 ? 12 : 5)) {
            case 0:
                return [null, true, false][mt_rand(0, 2)];
            case 1:
                return $this->int();
            case 2:
                return $this->float();
            case 3:
            case 4:
            case 5:
                return $this->string();
            case 6:
                return $this->object($depth - 1);
            case 7:
                return self::nested(mt_rand(1, 40));
            case 8:
                // A reference within an array.
                $array = $this->value(0) === null ? [1, 2] : [$this->value(0), 'x' => $this->value(0)];
                $array['first'] = &$array[0];
                $array[] = &$array['first'];
                return $array;
            case 9:
                // One object at two places, which knows itself.
                $object = $this->object(0);
                $ring = (object) ['object' => $object];
                $ring->self = $ring;
                $ring->reference = &$ring->object;
                return [$object, $ring, $object];
            default:
                $array = [];
                for ($i = mt_rand(0, 6); $i > 0; $i--) {
                    $array[$this->key()] = $this->value($depth - 1);
                }
                return $array;
        }
    }

    /**
     * @return mixed[]
     */
    private static function nested(int $depth): array
    {
        $value = [];
        while (--$depth > 0) {
            $value = [$value];
        }
        return $value;
    }

    private function int(): int
    {
        $some = [0, 1, -1, PHP_INT_MAX, PHP_INT_MIN, 1 << 31, -(1 << 31), 1 << 32];
        return mt_rand(0, 1) === 0 ? $some[mt_rand(0, count($some) - 1)] : mt_rand(-100000, 100000);
    }

    private function float(): float
    {
        $some = [0.0, -0.0, INF, -INF, NAN, 0.1, 1e15, 1e17, 1e25, -1.5e-7, PHP_FLOAT_MAX, PHP_FLOAT_MIN, 4.9e-324];
        switch (mt_rand(0, 2)) {
            case 0:
                return $some[mt_rand(0, count($some) - 1)];
            case 1:
                return mt_rand(-1000000, 1000000) / mt_rand(1, 1000);
            default:
                return unpack('d', $this->bytes(8))[1];
        }
    }

    private function string(): string
    {
        $some = ['', '0', '1', '-1', '007', 'name', "J\u{f6}rg", '";}', "\0", 's:1:"a";', '9223372036854775808',
            '-9223372036854775808', '18446744073709551617'];
        return mt_rand(0, 1) === 0 ? $some[mt_rand(0, count($some) - 1)] : $this->bytes(mt_rand(0, 40));
    }

    private function bytes(int $length): string
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $bytes .= chr(mt_rand(0, 255));
        }
        return $bytes;
    }

    /**
     * @return int|string
     */
    private function key()
    {
        switch (mt_rand(0, 3)) {
            case 0:
                return mt_rand(0, 5);
            case 1:
                return $this->int();
            default:
                return $this->string();
        }
    }

    /**
     * What only the engine can build.
     */
    private function object(int $depth): object
    {
        switch (mt_rand(0, 4)) {
            case 0:
                return (object) ['value' => $this->value($depth), '5' => 5];
            case 1:
                return new \DateTimeImmutable('@' . mt_rand(0, PHP_INT_MAX >> 32));
            case 2:
                return new \ArrayObject([$this->value($depth)]);
            case 3:
                return ReaderPropertySuit::cases()[mt_rand(0, 1)];
            default:
                return new ReaderPropertyThing($this->value($depth));
        }
    }

    // ---- serialized values as serialize() never writes them, and bytes that are nearly serialized
    // values ----

    /**
     * A valid one: keys that come twice, numeric strings as keys, numbers in other forms.
     */
    private function foreign(int $depth): string
    {
        switch (mt_rand(0, $depth > 0 ? 6 : 4)) {
            case 0:
                return 'i:' . ['+', '', '-'][mt_rand(0, 2)] . str_repeat('0', mt_rand(0, 3)) . mt_rand(0, 99999) . ';';
            case 1:
                $form = ['%d', '+%d', '%d.', '.%d', '-.%d', '%d.5', '%de3', '%dE-3', '%d.e+3', '%d.25E12', '0%d.0'];
                return sprintf("d:{$form[mt_rand(0, count($form) - 1)]};", mt_rand(0, 99999));
            case 2:
                $string = $this->string();
                return 's:' . str_repeat('0', mt_rand(0, 2)) . strlen($string) . ":\"$string\";";
            case 3:
                return ['N;', 'b:1;', 'b:0;', 'd:INF;', 'd:-INF;', 'd:NAN;'][mt_rand(0, 5)];
            case 4:
                return serialize($this->value(0));
            default:
                $count = mt_rand(0, 6);
                $elements = '';
                for ($i = 0; $i < $count; $i++) {
                    $key = (string) $this->key();
                    $elements .= mt_rand(0, 3) === 0
                        ? 'i:' . mt_rand(-3, 3) . ';'
                        : 's:' . strlen($key) . ":\"$key\";";
                    $elements .= $this->foreign($depth - 1);
                }
                return "a:$count:{{$elements}}";
        }
    }

    /**
     * @return list<string>
     */
    private function mutations(): array
    {
        $mutations = [];
        $telling = "\0\x80\xff0195+-.:;\"{}[]aisbdNOCESrRe";
        foreach ($this->values(self::MUTATIONS) as $bytes) {
            for ($i = mt_rand(1, 3); $i > 0; $i--) {
                $at = mt_rand(0, strlen($bytes));
                $new = $telling[mt_rand(0, strlen($telling) - 1)];
                // One byte is replaced, added or left out; or the end is missing.
                switch (mt_rand(0, 6)) {
                    case 0:
                    case 1:
                        $bytes = substr($bytes, 0, $at) . $new . substr($bytes, $at + 1);
                        break;
                    case 2:
                    case 3:
                        $bytes = substr($bytes, 0, $at) . $new . substr($bytes, $at);
                        break;
                    case 4:
                    case 5:
                        $bytes = substr($bytes, 0, $at) . substr($bytes, $at + 1);
                        break;
                    default:
                        $bytes = substr($bytes, 0, $at);
                }
            }
            // No bytes at all are no session, which is another promise.
            $mutations[] = $bytes === '' ? '}' : $bytes;
        }
        return $mutations;
    }
}

/**
 * An enum that a session may hold.
 */
enum ReaderPropertySuit: string
{
    case Hearts = 'H';
    case Spades = 'S';
}

/**
 * An object that a session may hold: with a private property, and code that runs while it is built.
 */
final class ReaderPropertyThing
{
    /** @var mixed */
    private $part;

    /** @var int */
    public $woken = 0;

    /**
     * @param mixed $part
     */
    public function __construct($part)
    {
        $this->part = $part;
    }

    public function __wakeup(): void
    {
        $this->woken++;
    }
}
