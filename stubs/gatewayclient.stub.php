<?php

/**
 * What the extension gatewayworker declares in addition where gatewayworker.gateway_client is on.
 *
 * For editors and static analysers. It is never loaded where the extension is.
 *
 * The links of the methods lead to their pages of GatewayWorker's manual, or to its overview of the class where a method has
 * no page of its own, as those that the original does not have.
 *
 * @link https://www.workerman.net/doc/gateway-worker/
 */

namespace GatewayClient;

/**
 * Sends to the clients of a GatewayWorker cluster and asks about them, from other projects: the class of GatewayClient.
 *
 * As GatewayWorker\Lib\Gateway, with statics and connections of its own. A bad client id is an \Exception here.
 */
class Gateway
{
    /**
     * The BusinessWorker, in worker mode; see setBusinessWorker().
     *
     * @var object|null
     */
    protected static $businessWorker = null;

    /**
     * The register, or several that are tried in turn. The default is gatewayworker.register_address.
     *
     * @var string|array<string>
     */
    public static $registerAddress = '127.0.0.1:1236';

    /**
     * The key that registers and gateways ask for. The default is gatewayworker.secret_key.
     *
     * @var string
     */
    public static $secretKey = '';

    /**
     * How many seconds a call waits for a connection, or for room in a send queue.
     *
     * @var int|float
     */
    public static $connectTimeout = 3;

    /**
     * Has no effect: connections always stay.
     *
     * @var bool
     */
    public static $persistentConnection = false;

    /**
     * True: the register is asked anew at every call that concerns all gateways.
     *
     * @var bool
     */
    public static $addressesCacheDisable = false;

    /**
     * Sends a message to all clients, or to a list of them.
     *
     * @param mixed                     $message           Scalars go out as their string, everything else serialized.
     * @param array<string>|null        $client_id_array   Only these clients; null means all; an empty array means none.
     * @param string|array<string>|null $exclude_client_id Clients that get nothing.
     * @param bool                      $raw               True: the gateway sends the bytes without its protocol's encoder.
     *
     * @return void
     *
     * @throws \Exception One of the client ids is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException No register, or none of the gateways, can be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of a gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/send-to-all.html
     */
    public static function sendToAll($message, $client_id_array = null, $exclude_client_id = null, $raw = false)
    {
    }

    /**
     * Sends a message to one client.
     *
     * @param string $client_id The client.
     * @param mixed  $message   Scalars go out as their string, everything else serialized.
     *
     * @return bool False only in worker mode, where the gateway is not connected, or its queue is full.
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/send-to-client.html
     */
    public static function sendToClient($client_id, $message)
    {
    }

    /**
     * Tells whether a uid has a client that is connected.
     *
     * @param int|string $uid The uid.
     *
     * @return 0|1 Whether it is.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/is-uid-online.html
     */
    public static function isUidOnline($uid)
    {
    }

    /**
     * Tells for each of many uids whether it has a client that is connected, with one question per gateway.
     *
     * @param array<int|string> $uids The uids.
     *
     * @return array<int|string, 0|1> uid => 1 or 0.
     *
     * @throws \Exception A uid is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function isUidsOnline($uids)
    {
    }

    /**
     * Tells whether a client is connected.
     *
     * @param string $client_id The client.
     *
     * @return 0|1 Whether it is.
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/is-online.html
     */
    public static function isOnline($client_id)
    {
    }

    /**
     * The former name of getAllClientSessions(). Leaves a line in the error log.
     *
     * @deprecated Use getAllClientSessions().
     *
     * @param int|string $group Only the clients of this group; an empty one means all.
     *
     * @return array<string, array<mixed>|false> client_id => session; false where what is stored is no session.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-client-sessions.html
     */
    public static function getAllClientInfo($group = '')
    {
    }

    /**
     * Gets the sessions of all clients, or of those of a group.
     *
     * @param int|string $group Only the clients of this group; an empty one means all.
     *
     * @return array<string, array<mixed>|false> client_id => session; false where what is stored is no session.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-client-sessions.html
     */
    public static function getAllClientSessions($group = '')
    {
    }

    /**
     * The former name of getClientSessionsByGroup(). Leaves a line in the error log.
     *
     * @deprecated Use getClientSessionsByGroup().
     *
     * @param int|string $group The group.
     *
     * @return array<string, array<mixed>|false> client_id => session; false where what is stored is no session.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-sessions-by-group.html
     */
    public static function getClientInfoByGroup($group)
    {
    }

    /**
     * Gets the sessions of the clients of a group.
     *
     * @param int|string $group The group.
     *
     * @return array<string, array<mixed>|false> client_id => session; false where what is stored is no session.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-sessions-by-group.html
     */
    public static function getClientSessionsByGroup($group)
    {
    }

    /**
     * Counts all clients.
     *
     * @return int<0, max> How many are connected.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-client-id-count.html
     */
    public static function getAllClientIdCount()
    {
    }

    /**
     * Counts all clients; the same as getAllClientIdCount().
     *
     * @return int<0, max> How many are connected.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-client-id-count.html
     */
    public static function getAllClientCount()
    {
    }

    /**
     * Counts the clients of a group.
     *
     * @param int|string $group The group; an empty one means all clients.
     *
     * @return int<0, max> How many are connected.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-id-count-by-group.html
     */
    public static function getClientIdCountByGroup($group = '')
    {
    }

    /**
     * Counts the clients of a group; the same as getClientIdCountByGroup().
     *
     * @param int|string $group The group; an empty one means all clients.
     *
     * @return int<0, max> How many are connected.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-id-count-by-group.html
     */
    public static function getClientCountByGroup($group = '')
    {
    }

    /**
     * Counts the clients of each of many groups, with one question per gateway.
     *
     * @param array<int|string> $groups The groups.
     *
     * @return array<int|string, int<0, max>> group => number of clients.
     *
     * @throws \Exception A group is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function batchGetClientIdCountByGroup(array $groups): array
    {
    }

    /**
     * Lists the clients of a group.
     *
     * @param int|string|array<int|string> $group The group, or several.
     *
     * @return array<string, string> client_id => client_id.
     *
     * @throws \Exception A group is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-id-list-by-group.html
     */
    public static function getClientIdListByGroup($group)
    {
    }

    /**
     * Lists all clients.
     *
     * @return array<string, string> client_id => client_id.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-client-id-list.html
     */
    public static function getAllClientIdList()
    {
    }

    /**
     * Lists the clients of a uid.
     *
     * @param int|string $uid The uid.
     *
     * @return list<string> Their ids.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-client-id-by-uid.html
     */
    public static function getClientIdByUid($uid)
    {
    }

    /**
     * Lists the clients of each of many uids, with one question per gateway.
     *
     * @param array<int|string> $uids The uids.
     *
     * @return array<int|string, list<string>> uid => ids of its clients.
     *
     * @throws \Exception A uid is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function batchGetClientIdByUid($uids)
    {
    }

    /**
     * Lists the uids that are bound to clients of a group.
     *
     * @param int|string|array<int|string> $group The group, or several.
     *
     * @return array<int|string, string> uid => uid.
     *
     * @throws \Exception A group is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-uid-list-by-group.html
     */
    public static function getUidListByGroup($group)
    {
    }

    /**
     * Counts the different uids that are bound to clients of a group.
     *
     * @param int|string|array<int|string> $group The group, or several.
     *
     * @return int<0, max> How many.
     *
     * @throws \Exception A group is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-uid-count-by-group.html
     */
    public static function getUidCountByGroup($group)
    {
    }

    /**
     * Lists the uids that are bound to any client.
     *
     * @return array<int|string, string> uid => uid.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-uid-list.html
     */
    public static function getAllUidList()
    {
    }

    /**
     * Counts the different uids that are bound to any client.
     *
     * @return int<0, max> How many.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-uid-count.html
     */
    public static function getAllUidCount()
    {
    }

    /**
     * Gets the uid that a client is bound to.
     *
     * @param string $client_id The client.
     *
     * @return string|null Null where it is bound to none, or is not connected.
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-uid-by-client-id.html
     */
    public static function getUidByClientId($client_id)
    {
    }

    /**
     * Lists the groups that have clients.
     *
     * @return array<int|string, int|string> group => group.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-all-group-id-list.html
     */
    public static function getAllGroupIdList()
    {
    }

    /**
     * Counts the different uids of each group.
     *
     * @return array<int|string, int<0, max>> group => number of uids.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function getAllGroupUidCount()
    {
    }

    /**
     * Lists the uids of each group.
     *
     * @return array<int|string, array<int|string, string>> group => (uid => uid).
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function getAllGroupUidList()
    {
    }

    /**
     * Lists the clients of each group.
     *
     * @return array<int|string, array<string, string>> group => (client_id => client_id).
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function getAllGroupClientIdList()
    {
    }

    /**
     * Counts the clients of each group.
     *
     * @return array<int|string, int<0, max>> group => number of clients.
     *
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function getAllGroupClientIdCount()
    {
    }

    /**
     * Closes the connection of a client, after sending it a message if one is given.
     *
     * @param string $client_id The client.
     * @param mixed  $message   What it is told before.
     *
     * @return bool As sendToClient().
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/close-client.html
     */
    public static function closeClient($client_id, $message = null)
    {
    }

    /**
     * Closes the connection of a client at once; what it has not received yet is lost. The spelling is the API;
     * destroyClient() is the same.
     *
     * @param string $client_id The client.
     *
     * @return bool As sendToClient().
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function destoryClient($client_id)
    {
    }

    /**
     * Closes the connection of the client that the running callback is about at once. The spelling is the API.
     *
     * @return bool As sendToClient().
     *
     * @throws \Exception Outside of a callback.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function destoryCurrentClient()
    {
    }

    /**
     * Binds a client to a uid. A uid may have many clients, a client has one uid.
     *
     * @param string     $client_id The client.
     * @param int|string $uid       The uid; the gateway refuses an empty one.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/bind-uid.html
     */
    public static function bindUid($client_id, $uid)
    {
    }

    /**
     * Takes the uid away from a client.
     *
     * @param string     $client_id The client.
     * @param int|string $uid       The uid.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/unbind-uid.html
     */
    public static function unbindUid($client_id, $uid)
    {
    }

    /**
     * Adds a client to a group.
     *
     * @param string     $client_id The client.
     * @param int|string $group     The group; the gateway refuses an empty one.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/join-group.html
     */
    public static function joinGroup($client_id, $group)
    {
    }

    /**
     * Takes a client out of a group.
     *
     * @param string     $client_id The client.
     * @param int|string $group     The group.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/leave-group.html
     */
    public static function leaveGroup($client_id, $group)
    {
    }

    /**
     * Dissolves a group; its clients stay connected.
     *
     * @param int|string $group The group.
     *
     * @return false|null False for an empty group.
     *
     * @throws \GatewayWorker\Lib\UnreachableException No register, or none of the gateways, can be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of a gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/ungroup.html
     */
    public static function ungroup($group)
    {
    }

    /**
     * Sends a message to all clients of a uid, or of several.
     *
     * @param int|string|array<int|string> $uid     The uid, or several.
     * @param mixed                        $message Scalars go out as their string, everything else serialized.
     *
     * @return void
     *
     * @throws \GatewayWorker\Lib\UnreachableException No register, or none of the gateways, can be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of a gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/send-to-uid.html
     */
    public static function sendToUid($uid, $message)
    {
    }

    /**
     * Sends a message to all clients of a group, or of several.
     *
     * @param int|string|array<int|string> $group             The group, or several.
     * @param mixed                        $message           Scalars go out as their string, everything else serialized.
     * @param string|array<string>|null    $exclude_client_id Clients that get nothing.
     * @param bool                         $raw               True: the gateway sends the bytes without its protocol's encoder.
     *
     * @return false|null False for an empty group.
     *
     * @throws \Exception One of the client ids is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException No register, or none of the gateways, can be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of a gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/send-to-group.html
     */
    public static function sendToGroup($group, $message, $exclude_client_id = null, $raw = false)
    {
    }

    /**
     * Sets the session of a client, already serialized. BusinessWorker calls it; applications call setSession().
     *
     * @param string $client_id   The client.
     * @param string $session_str What serialize() made of the session.
     *
     * @return bool As sendToClient().
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function setSocketSession($client_id, $session_str)
    {
    }

    /**
     * Replaces the session of a client; for the current client $_SESSION too.
     *
     * @param string       $client_id The client.
     * @param array<mixed> $session   The new session.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/set-session.html
     */
    public static function setSession($client_id, array $session)
    {
    }

    /**
     * Merges into the session of a client, as array_replace_recursive() does; for the current client into $_SESSION
     * too.
     *
     * @param string       $client_id The client.
     * @param array<mixed> $session   What changes.
     *
     * @return void
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/update-session.html
     */
    public static function updateSession($client_id, array $session)
    {
    }

    /**
     * Gets the session of a client.
     *
     * @param string $client_id The client.
     *
     * @return array<mixed>|null Null where the client is not connected.
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/get-session.html
     */
    public static function getSession($client_id)
    {
    }

    /**
     * Goes over to worker mode: the gateways are those that the instance is connected to. BusinessWorker calls it.
     *
     * @param object|null $business_worker_instance A BusinessWorker; null goes back to asking the register.
     *
     * @return void
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function setBusinessWorker($business_worker_instance)
    {
    }

    /**
     * Lists the clients of each of many uids; the same as batchGetClientIdByUid().
     *
     * @param array<int|string> $uids The uids.
     *
     * @return array<int|string, list<string>> uid => ids of its clients.
     *
     * @throws \Exception A uid is not valid UTF-8.
     * @throws \GatewayWorker\Lib\UnreachableException A register or a gateway cannot be connected to.
     * @throws \GatewayWorker\Lib\NoAnswerException A gateway did not answer in time, or closed the connection.
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong.
     * @throws \GatewayWorker\Lib\BadReplyException A gateway answered with something else than the answer.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function getClientIdByUids($uids)
    {
    }

    /**
     * Closes the connection of a client at once; destoryClient() in the right spelling.
     *
     * @param string $client_id The client.
     *
     * @return bool As sendToClient().
     *
     * @throws \Exception The client id is invalid.
     * @throws \GatewayWorker\Lib\UnreachableException The client's gateway cannot be connected to (client mode).
     * @throws \GatewayWorker\Lib\RejectedException The secret key is wrong (client mode).
     * @throws \GatewayWorker\Lib\QueueFullException The queue of the gateway has no room within $connectTimeout (client mode).
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function destroyClient($client_id)
    {
    }

    /**
     * Waits until everything accepted so far by this process has been handed to the operating system. Each gateway
     * for which it has not leaves a line in the error log.
     *
     * @param float $timeout How many seconds at most.
     *
     * @return bool False where something still waits.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function flush(float $timeout = 5.0): bool
    {
    }

    /**
     * Waits until every gateway has processed all that this process has sent before. That a gateway has processed a
     * message says that it has written it to its clients' connections, and not that a client has read it. Each gateway
     * that has not confirmed leaves a line in the error log.
     *
     * @param float $timeout How many seconds at most.
     *
     * @return bool False where it is not known: a gateway has not confirmed within $timeout or cannot be reached, or since
     *     the last confirm() messages were given up, or their connection ended before the gateway had confirmed them.
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function confirm(float $timeout = 5.0): bool
    {
    }

    /**
     * Shows the state of this process: clusters, gateways, connections and counters. The secret key is not in it.
     * `accepted` is always `written + queued + dropped`; the others count as their names say, since the gateway was
     * first used, and `ended` has the total of the gateways that have left and took their counters along. Ages are in seconds; `last_error` (of the link) and `query_error` stay when all is well again. Latencies
     * are microseconds from a question to its answer, within 3.2 %, of the `latency_count` answers that were timed: in
     * questions to several gateways those are not that came while another one was waited for.
     *
     * @return array{
     *     version: string,
     *     pid: int,
     *     threads: int,
     *     clusters: list<array{
     *         user: string,
     *         mode: 'registers'|'worker',
     *         secret: bool,
     *         register: array{
     *             registers: list<string>,
     *             state: 'unused'|'connecting'|'online'|'failed',
     *             connected: string|null,
     *             lists: int,
     *             list_age: float|null,
     *             last_error: string|null,
     *             last_error_age: float|null
     *         }|null,
     *         ended: array{
     *             links: int,
     *             accepted: int,
     *             written: int,
     *             dropped: int,
     *             reconnects: int,
     *             queries: int,
     *             queries_failed: int,
     *             queries_timed_out: int,
     *             queries_retried: int
     *         },
     *         gateways: list<array{
     *             address: string,
     *             reach: string,
     *             link: array{state: 'unused'|'connecting'|'online'|'failed'|'retired', error?: string},
     *             accepted: int,
     *             written: int,
     *             queued: int,
     *             dropped: int,
     *             refused: int,
     *             queued_bytes: int,
     *             written_bytes: int,
     *             batches: int,
     *             direct: int,
     *             barriers: int,
     *             queries_idle: int,
     *             queries_opened: int,
     *             queries: int,
     *             queries_failed: int,
     *             queries_timed_out: int,
     *             queries_retried: int,
     *             reconnects: int,
     *             last_error: string|null,
     *             last_error_age: float|null,
     *             queries_open: int,
     *             query_error: string|null,
     *             query_error_age: float|null,
     *             latency_count: int,
     *             latency_p50: int|null,
     *             latency_p99: int|null
     *         }>
     *     }>
     * }
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function status(): array
    {
    }

    /**
     * For tests of applications: from now on, calls of this class and of its subclasses are recorded and not made. No
     * cluster is needed. Calling it again empties the record; fake(null) ends it, as does the end of the request.
     *
     * @param array<string, mixed>|null $returns method => what it returns; a closure is called with the arguments, an
     *     exception is thrown. Other methods return what they would return for nobody: sends true or null, queries 0,
     *     null or [].
     *
     * @return void
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function fake($returns = [])
    {
    }

    /**
     * What fake() has recorded.
     *
     * @param string|null $method a method: its calls, queries too; null: all sends, in order
     *
     * @return list<array{class: string, method: string, arguments: array<string, mixed>}> the arguments that were passed,
     *     by the names of the parameters
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    public static function sent($method = null): array
    {
    }

    /**
     * The client ids in what select() returns.
     *
     * @param array<int, array<int, array<int, mixed>>> $data ip => port => connection => row
     *
     * @return array<string, string> client_id => client_id
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function formatClientIdFromGatewayBuffer($data)
    {
    }

    /**
     * Fields of clients, queried at the gateways concerned.
     *
     * @param list<string> $fields which fields
     * @param array<string, mixed> $where conditions: client_id, groups, uid
     *
     * @return array<int, array<int, array<int, array<string, mixed>>>> ip => port => connection => row
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function select($fields = ['session', 'uid', 'groups'], $where = [])
    {
    }

    /**
     * The frame by which a connection authenticates with $secretKey.
     *
     * @return string
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function generateAuthBuffer()
    {
    }

    /**
     * Queries some gateways, each with a command of its own.
     *
     * @param array<string, array<string, mixed>> $gateway_data_array address => command
     *
     * @return array<int, array<int, mixed>> ip => port => reply
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function getBufferFromSomeGateway($gateway_data_array)
    {
    }

    /**
     * Queries all gateways with the same command.
     *
     * @param array<string, mixed> $gateway_data the command, as GatewayProtocol::$empty
     *
     * @return array<int, array<int, mixed>> ip => port => reply
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function getBufferFromAllGateway($gateway_data)
    {
    }

    /**
     * The addresses of the gateways that are queried. An override is honoured.
     *
     * @return array<string>
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function getAllGatewayAddress()
    {
    }

    /**
     * Queries gateways with frames that are encoded already.
     *
     * @param array<string, string> $gateway_buffer_array address => frame
     *
     * @return array<int, array<int, mixed>> ip => port => reply
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function getBufferFromGateway($gateway_buffer_array)
    {
    }

    /**
     * Sends a command about a client. An override is honoured.
     *
     * @param string|null $client_id null: the current client
     * @param int $cmd its number in GatewayProtocol
     * @param mixed $message the body
     * @param mixed $ext_data uid, group or session
     *
     * @return bool whether it was taken
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function sendCmdAndMessageToClient($client_id, $cmd, $message, $ext_data = '')
    {
    }

    /**
     * Queries one gateway.
     *
     * @param string $address ip:port
     * @param array<string, mixed> $data the command, as GatewayProtocol::$empty
     *
     * @return mixed the reply
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function sendAndRecv($address, $data)
    {
    }

    /**
     * Sends a command to one gateway. An override is honoured.
     *
     * @param string $address ip:port
     * @param array<string, mixed> $gateway_data the command, as GatewayProtocol::$empty
     *
     * @return bool whether it was taken
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function sendToGateway($address, $gateway_data)
    {
    }

    /**
     * Sends whole frames to one gateway. An override is honoured.
     *
     * @param string $address ip:port
     * @param string $gateway_buffer the frames
     *
     * @return bool whether they were taken
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function sendBufferToGateway($address, $gateway_buffer)
    {
    }

    /**
     * Sends a command to all gateways. An override is honoured.
     *
     * @param array<string, mixed> $gateway_data the command, as GatewayProtocol::$empty
     *
     * @return void
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function sendToAllGateway($gateway_data)
    {
    }

    /**
     * Sends a message to a client and closes its connection. An override is honoured.
     *
     * @param string $address ip:port of its gateway
     * @param int $connection_id its number there
     * @param mixed $message the message
     *
     * @return bool whether it was taken
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function kickAddress($address, $connection_id, $message)
    {
    }

    /**
     * Closes the connection of a client at once. An override is honoured.
     *
     * @param string $address ip:port of its gateway
     * @param int $connection_id its number there
     *
     * @return bool whether it was taken
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function destroyAddress($address, $connection_id)
    {
    }

    /**
     * The connections of clients by the addresses of their gateways. An override is honoured.
     *
     * @param array<string> $client_id_array client ids
     *
     * @return array<string, array<int, int>> address => connection => connection
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function clientIdArrayToAddressArray(array $client_id_array)
    {
    }

    /**
     * The addresses of the gateways, as the register lists them. An override is honoured.
     *
     * @return array<string>
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function getAllGatewayAddressesFromRegister()
    {
    }

    /**
     * Whether a group can be one: not empty. An override is honoured.
     *
     * @param mixed $group the group
     *
     * @return bool
     *
     * @link https://www.workerman.net/doc/gateway-worker/lib-gateway-functions.html
     */
    protected static function isValidGroupId($group)
    {
    }
}
