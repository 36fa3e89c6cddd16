<?php

/**
 * The public methods of GatewayClient\Gateway and their parameters, all static, in their order:
 * those of the original. What has no type here must have none; what has no default is required.
 */

declare(strict_types=1);

return [
    'sendToAll' => [
        ['name' => 'message'],
        ['name' => 'client_id_array', 'default' => null],
        ['name' => 'exclude_client_id', 'default' => null],
        ['name' => 'raw', 'default' => false],
    ],
    'sendToClient' => [['name' => 'client_id'], ['name' => 'message']],
    'isUidOnline' => [['name' => 'uid']],
    'isUidsOnline' => [['name' => 'uids']],
    'isOnline' => [['name' => 'client_id']],
    'getAllClientInfo' => [['name' => 'group', 'default' => '']],
    'getAllClientSessions' => [['name' => 'group', 'default' => '']],
    'getClientInfoByGroup' => [['name' => 'group']],
    'getClientSessionsByGroup' => [['name' => 'group']],
    'getAllClientIdCount' => [],
    'getAllClientCount' => [],
    'getClientIdCountByGroup' => [['name' => 'group', 'default' => '']],
    'getClientCountByGroup' => [['name' => 'group', 'default' => '']],
    'batchGetClientIdCountByGroup' => [['name' => 'groups', 'type' => 'array']],
    'getClientIdListByGroup' => [['name' => 'group']],
    'getAllClientIdList' => [],
    'getClientIdByUid' => [['name' => 'uid']],
    'batchGetClientIdByUid' => [['name' => 'uids']],
    'getUidListByGroup' => [['name' => 'group']],
    'getUidCountByGroup' => [['name' => 'group']],
    'getAllUidList' => [],
    'getAllUidCount' => [],
    'getUidByClientId' => [['name' => 'client_id']],
    'getAllGroupIdList' => [],
    'getAllGroupUidCount' => [],
    'getAllGroupUidList' => [],
    'getAllGroupClientIdList' => [],
    'getAllGroupClientIdCount' => [],
    'closeClient' => [['name' => 'client_id'], ['name' => 'message', 'default' => null]],
    'destoryClient' => [['name' => 'client_id']],
    'destoryCurrentClient' => [],
    'bindUid' => [['name' => 'client_id'], ['name' => 'uid']],
    'unbindUid' => [['name' => 'client_id'], ['name' => 'uid']],
    'joinGroup' => [['name' => 'client_id'], ['name' => 'group']],
    'leaveGroup' => [['name' => 'client_id'], ['name' => 'group']],
    'ungroup' => [['name' => 'group']],
    'sendToUid' => [['name' => 'uid'], ['name' => 'message']],
    'sendToGroup' => [
        ['name' => 'group'],
        ['name' => 'message'],
        ['name' => 'exclude_client_id', 'default' => null],
        ['name' => 'raw', 'default' => false],
    ],
    'setSocketSession' => [['name' => 'client_id'], ['name' => 'session_str']],
    'setSession' => [['name' => 'client_id'], ['name' => 'session', 'type' => 'array']],
    'updateSession' => [['name' => 'client_id'], ['name' => 'session', 'type' => 'array']],
    'getSession' => [['name' => 'client_id']],
    'setBusinessWorker' => [['name' => 'business_worker_instance']],
];
