<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

/**
 * The queries, each with whatever arguments; the examiner looks at every reply.
 */
final class Queries
{
    /** @var class-string */
    private readonly string $class;

    public function __construct(
        Subject $subject,
        private readonly Population $population,
        private readonly Examiner $examiner
    ) {
        $this->class = $subject->class;
    }

    public function isOnline(): void
    {
        $online = $this->class::isOnline($this->population->anyClient());
        $this->examiner->expect(true, in_array($online, [0, 1], true), 'isOnline: 0 or 1');
    }

    public function getSession(): void
    {
        $id = $this->population->anyClient();
        $session = $this->class::getSession($id);
        if ($session !== null) {
            $this->examiner->examineSessions([$id => $session]);
        }
    }

    public function getUidByClientId(): void
    {
        $uid = $this->class::getUidByClientId($this->population->anyClient());
        $this->examiner->expect(true, $uid === null || Population::isName($uid), 'getUidByClientId: ' . json_encode($uid));
    }

    public function isUidOnline(): void
    {
        $never = $this->class::isUidOnline($this->population->own('never'));
        $this->examiner->expect(0, $never, 'isUidOnline of a uid that nobody has');
        $online = $this->class::isUidOnline($this->population->anyUid());
        $this->examiner->expect(true, in_array($online, [0, 1], true), 'isUidOnline: 0 or 1');
    }

    public function isUidsOnline(): void
    {
        $uids = array_map($this->population->own(...), ['u0', 'never']);
        $reply = $this->class::isUidsOnline($uids);
        $this->examiner->expect($uids, array_keys($reply), 'isUidsOnline: its keys');
        $this->examiner->expect(0, $reply[$uids[1]], 'isUidsOnline of a uid that nobody has');
    }

    public function getClientIdByUid(): void
    {
        $uid = $this->population->anyUid();
        $ids = $this->class::getClientIdByUid($uid);
        $this->examiner->examineIds($ids, $this->population->bound[$uid] ?? [], "getClientIdByUid($uid)");
    }

    public function batchGetClientIdByUid(): void
    {
        $this->batch('batchGetClientIdByUid');
    }

    public function getClientIdByUids(): void
    {
        $this->batch('getClientIdByUids');
    }

    public function getAllClientIdCount(): void
    {
        $this->examiner->examineCount($this->class::getAllClientIdCount());
    }

    public function getAllClientCount(): void
    {
        $this->examiner->examineCount($this->class::getAllClientCount());
    }

    public function getClientIdCountByGroup(): void
    {
        $group = $this->population->anyGroup();
        $this->examineMembers($group, $this->class::getClientIdCountByGroup($group));
    }

    public function getClientCountByGroup(): void
    {
        $group = $this->population->anyGroup();
        $this->examineMembers($group, $this->class::getClientCountByGroup($group));
    }

    public function batchGetClientIdCountByGroup(): void
    {
        $groups = array_map($this->population->own(...), ['g0', 'never']);
        $reply = $this->class::batchGetClientIdCountByGroup($groups);
        $this->examiner->expect($groups, array_keys($reply), 'batchGetClientIdCountByGroup: its keys');
        $this->examiner->expect(0, $reply[$groups[1]], 'batchGetClientIdCountByGroup of a group without members');
    }

    public function getAllClientIdList(): void
    {
        $this->examiner->examineIds($this->class::getAllClientIdList(), null, 'getAllClientIdList', true);
    }

    public function getClientIdListByGroup(): void
    {
        $group = $this->population->anyGroup();
        $ids = $this->class::getClientIdListByGroup($group);
        $this->examiner->examineIds($ids, $this->population->joined[$group] ?? [], "getClientIdListByGroup($group)", true);
    }

    public function getAllUidList(): void
    {
        $this->examiner->examineNames($this->class::getAllUidList(), 'getAllUidList');
    }

    public function getUidListByGroup(): void
    {
        $uids = $this->class::getUidListByGroup($this->population->anyGroup());
        $this->examiner->examineNames($uids, 'getUidListByGroup');
    }

    public function getAllUidCount(): void
    {
        $this->examiner->examineCount($this->class::getAllUidCount());
    }

    public function getUidCountByGroup(): void
    {
        $group = $this->population->anyGroup();
        $this->examineMembers($group, $this->class::getUidCountByGroup($group));
    }

    public function getAllGroupIdList(): void
    {
        $this->examiner->examineNames($this->class::getAllGroupIdList(), 'getAllGroupIdList');
    }

    public function getAllGroupClientIdList(): void
    {
        foreach ($this->class::getAllGroupClientIdList() as $group => $ids) {
            $this->examiner->expect(true, Population::isName($group), "getAllGroupClientIdList: the group $group");
            $this->examiner->examineIds($ids, null, 'getAllGroupClientIdList', true);
        }
    }

    public function getAllGroupUidList(): void
    {
        foreach ($this->class::getAllGroupUidList() as $group => $uids) {
            $this->examiner->expect(true, Population::isName($group), "getAllGroupUidList: the group $group");
            $this->examiner->examineNames($uids, 'getAllGroupUidList');
        }
    }

    public function getAllGroupClientIdCount(): void
    {
        foreach ($this->class::getAllGroupClientIdCount() as $count) {
            $this->examiner->examineCount($count);
        }
    }

    public function getAllGroupUidCount(): void
    {
        foreach ($this->class::getAllGroupUidCount() as $count) {
            $this->examiner->examineCount($count);
        }
    }

    public function getAllClientSessions(): void
    {
        $this->examiner->examineSessions($this->class::getAllClientSessions());
    }

    public function getClientSessionsByGroup(): void
    {
        $this->examiner->examineSessions($this->class::getClientSessionsByGroup($this->population->anyGroup()));
    }

    public function getAllClientInfo(): void
    {
        $this->examiner->examineSessions($this->class::getAllClientInfo());
    }

    public function getClientInfoByGroup(): void
    {
        $this->examiner->examineSessions($this->class::getClientInfoByGroup($this->population->anyGroup()));
    }

    private function batch(string $method): void
    {
        $uids = array_map($this->population->own(...), ['u0', 'u1', 'never']);
        $reply = $this->class::$method($uids);
        $this->examiner->expect($uids, array_keys($reply), "$method: its keys");
        foreach ($reply as $uid => $ids) {
            $this->examiner->examineIds($ids, $this->population->bound[$uid] ?? [], "$method($uid)");
        }
    }

    private function examineMembers(string $group, mixed $count): void
    {
        $this->examiner->examineCount($count, count($this->population->joined[$group] ?? []));
    }
}
