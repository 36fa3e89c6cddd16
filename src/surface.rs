//! What PHP code sees: the classes, their static properties, their methods with parameter names,
//! order and defaults.
//!
//! Names, order and defaults are those of the original classes; what is ours stands behind.
//! `stubs/gatewayworker.stub.php` says the same for editors, and a test holds the two together.

use std::ffi::CStr;

use crate::call::handler;
use crate::engine::class::{ClassSpec, MethodSpec, Param, StaticDefault, StaticSpec, Type};
use crate::methods::{close, fake, group, presence, process, protected, send, session, uid};
use crate::settings;

/// A parameter of any type.
const fn required(name: &'static CStr) -> Param {
    Param { name, default: None, ty: None }
}

/// An optional parameter of any type.
const fn optional(name: &'static CStr, default: &'static CStr) -> Param {
    Param { name, default: Some(default), ty: None }
}

/// A required array.
const fn array(name: &'static CStr) -> Param {
    Param { name, default: None, ty: Some(Type::Array) }
}

fn register_address() -> &'static str {
    &settings::declared().register_address
}

fn secret_key() -> &'static str {
    &settings::declared().secret_key
}

macro_rules! method {
    ($name:literal, [$($param:expr),*], $run:path) => {
        MethodSpec { name: $name, params: &[$($param),*], returns: None, handler: handler!($run) }
    };
    ($name:literal, [$($param:expr),*], $run:path, $returns:expr) => {
        MethodSpec { name: $name, params: &[$($param),*], returns: Some($returns), handler: handler!($run) }
    };
}

const RAW: Param = optional(c"raw", c"false");
const CLIENT: Param = required(c"client_id");
const MESSAGE: Param = required(c"message");
const GROUP: Param = required(c"group");
const ADDRESS: Param = required(c"address");
const DATA: Param = required(c"gateway_data");

/// Protected methods that both classes have.
macro_rules! protected {
    ($raw:tt, [$($more:expr),*]) => {
        &[
            method!(c"formatClientIdFromGatewayBuffer", [required(c"data")], protected::format_client_ids),
            method!(
                c"select",
                [optional(c"fields", c"['session', 'uid', 'groups']"), optional(c"where", c"[]")],
                protected::select
            ),
            method!(c"generateAuthBuffer", [], protected::auth_buffer),
            method!(c"getBufferFromSomeGateway", [required(c"gateway_data_array")], protected::query_some),
            method!(c"getBufferFromAllGateway", [DATA], protected::query_all),
            method!(c"getAllGatewayAddress", [], protected::addresses),
            method!(c"getBufferFromGateway", [required(c"gateway_buffer_array")], protected::query_buffers),
            method!(c"sendCmdAndMessageToClient", $raw, protected::send_command),
            method!(c"sendAndRecv", [ADDRESS, required(c"data")], protected::query_one),
            method!(c"sendToGateway", [ADDRESS, DATA], protected::send_data),
            method!(c"sendBufferToGateway", [ADDRESS, required(c"gateway_buffer")], protected::send_buffer),
            method!(c"sendToAllGateway", [DATA], protected::send_to_all),
            method!(c"kickAddress", [ADDRESS, required(c"connection_id"), MESSAGE], protected::kick),
            method!(c"destroyAddress", [ADDRESS, required(c"connection_id")], protected::destroy),
            method!(c"clientIdArrayToAddressArray", [array(c"client_id_array")], protected::address_array),
            method!(c"getAllGatewayAddressesFromRegister", [], protected::addresses_from_register),
            method!(c"isValidGroupId", [GROUP], protected::is_valid_group),
            $($more),*
        ]
    };
}

/// `GatewayWorker\Lib\Gateway`.
pub static GATEWAY: ClassSpec = ClassSpec {
    name: "GatewayWorker\\Lib\\Gateway",
    statics: &[
        StaticSpec { name: "businessWorker", protected: true, default: StaticDefault::Null },
        StaticSpec {
            name: "registerAddress",
            protected: false,
            default: StaticDefault::Text(register_address),
        },
        StaticSpec { name: "secretKey", protected: false, default: StaticDefault::Text(secret_key) },
        StaticSpec { name: "connectTimeout", protected: false, default: StaticDefault::Int(3) },
        StaticSpec { name: "persistentConnection", protected: false, default: StaticDefault::Bool(true) },
        StaticSpec { name: "addressesCacheDisable", protected: false, default: StaticDefault::Bool(false) },
        StaticSpec { name: "gatewayConnections", protected: true, default: StaticDefault::EmptyArray },
    ],
    methods: &[
        method!(
            c"sendToAll",
            [MESSAGE, optional(c"client_id_array", c"null"), optional(c"exclude_client_id", c"null"), RAW],
            send::to_all
        ),
        method!(c"sendToClient", [CLIENT, MESSAGE, RAW], send::to_client),
        method!(c"sendToCurrentClient", [MESSAGE, RAW], send::to_current_client),
        method!(c"isUidOnline", [required(c"uid")], uid::is_uid_online),
        method!(c"isOnline", [CLIENT], presence::is_online),
        method!(c"getAllClientInfo", [optional(c"group", c"''")], session::all_deprecated),
        method!(c"getAllClientSessions", [optional(c"group", c"''")], session::all),
        method!(c"getClientInfoByGroup", [GROUP], session::of_group_deprecated),
        method!(c"getClientSessionsByGroup", [GROUP], session::of_group),
        method!(c"getAllClientIdCount", [], presence::all_client_id_count),
        method!(c"getAllClientCount", [], presence::all_client_count),
        method!(c"getClientIdCountByGroup", [optional(c"group", c"''")], presence::client_id_count_by_group),
        method!(c"getClientCountByGroup", [optional(c"group", c"''")], presence::client_count_by_group),
        method!(c"getClientIdListByGroup", [GROUP], presence::client_id_list_by_group),
        method!(c"getAllClientIdList", [], presence::all_client_id_list),
        method!(c"getClientIdByUid", [required(c"uid")], uid::client_id_by_uid),
        method!(c"getUidListByGroup", [GROUP], uid::uid_list_by_group),
        method!(c"getUidCountByGroup", [GROUP], uid::uid_count_by_group),
        method!(c"getAllUidList", [], uid::all_uid_list),
        method!(c"getAllUidCount", [], uid::all_uid_count),
        method!(c"getUidByClientId", [CLIENT], uid::uid_by_client_id),
        method!(c"getAllGroupIdList", [], group::all_group_id_list),
        method!(c"getAllGroupUidCount", [], group::all_group_uid_count),
        method!(c"getAllGroupUidList", [], group::all_group_uid_list),
        method!(c"getAllGroupClientIdList", [], group::all_group_client_id_list),
        method!(c"getAllGroupClientIdCount", [], group::all_group_client_id_count),
        method!(c"closeClient", [CLIENT, optional(c"message", c"null")], close::close_client),
        method!(c"closeCurrentClient", [optional(c"message", c"null")], close::close_current_client),
        method!(c"destoryClient", [CLIENT], close::destory_client),
        method!(c"destoryCurrentClient", [], close::destory_current_client),
        method!(c"bindUid", [CLIENT, required(c"uid")], uid::bind_uid),
        method!(c"unbindUid", [CLIENT, required(c"uid")], uid::unbind_uid),
        method!(c"joinGroup", [CLIENT, GROUP], group::join_group),
        method!(c"leaveGroup", [CLIENT, GROUP], group::leave_group),
        method!(c"ungroup", [GROUP], group::ungroup),
        method!(c"sendToUid", [required(c"uid"), MESSAGE, RAW], send::to_uid),
        method!(
            c"sendToGroup",
            [GROUP, MESSAGE, optional(c"exclude_client_id", c"null"), RAW],
            send::to_group
        ),
        method!(c"setSocketSession", [CLIENT, required(c"session_str")], session::set_socket_session),
        method!(c"setSession", [CLIENT, array(c"session")], session::set),
        method!(c"updateSession", [CLIENT, array(c"session")], session::update),
        method!(c"getSession", [CLIENT], session::get),
        method!(c"setBusinessWorker", [required(c"business_worker_instance")], process::set_business_worker),
        // Ours, and those that only GatewayClient\Gateway has.
        method!(c"isUidsOnline", [required(c"uids")], uid::is_uids_online),
        method!(c"batchGetClientIdByUid", [required(c"uids")], uid::batch_client_id_by_uid),
        method!(
            c"batchGetClientIdCountByGroup",
            [array(c"groups")],
            presence::batch_client_id_count_by_group,
            Type::Array
        ),
        method!(c"getClientIdByUids", [required(c"uids")], uid::client_id_by_uids),
        method!(c"destroyClient", [CLIENT], close::destroy_client),
        method!(c"destroyCurrentClient", [], close::destroy_current_client),
        method!(
            c"flush",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::flush,
            Type::Bool
        ),
        method!(
            c"confirm",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::confirm,
            Type::Bool
        ),
        method!(c"status", [], process::status, Type::Array),
        method!(c"fake", [optional(c"returns", c"[]")], fake::fake),
        method!(c"sent", [optional(c"method", c"null")], fake::sent, Type::Array),
    ],
    protected: protected!(
        [CLIENT, required(c"cmd"), MESSAGE, optional(c"ext_data", c"''"), RAW],
        [method!(c"getGatewayConnection", [ADDRESS], protected::connection)]
    ),
};

/// `GatewayClient\Gateway`: no `sendToCurrentClient` and `closeCurrentClient`, fewer `$raw`
/// parameters.
pub static GATEWAY_CLIENT: ClassSpec = ClassSpec {
    name: "GatewayClient\\Gateway",
    statics: &[
        StaticSpec { name: "businessWorker", protected: true, default: StaticDefault::Null },
        StaticSpec {
            name: "registerAddress",
            protected: false,
            default: StaticDefault::Text(register_address),
        },
        StaticSpec { name: "secretKey", protected: false, default: StaticDefault::Text(secret_key) },
        StaticSpec { name: "connectTimeout", protected: false, default: StaticDefault::Int(3) },
        StaticSpec { name: "persistentConnection", protected: false, default: StaticDefault::Bool(false) },
        StaticSpec { name: "addressesCacheDisable", protected: false, default: StaticDefault::Bool(false) },
    ],
    methods: &[
        method!(
            c"sendToAll",
            [MESSAGE, optional(c"client_id_array", c"null"), optional(c"exclude_client_id", c"null"), RAW],
            send::to_all
        ),
        method!(c"sendToClient", [CLIENT, MESSAGE], send::to_client),
        method!(c"isUidOnline", [required(c"uid")], uid::is_uid_online),
        method!(c"isUidsOnline", [required(c"uids")], uid::is_uids_online),
        method!(c"isOnline", [CLIENT], presence::is_online),
        method!(c"getAllClientInfo", [optional(c"group", c"''")], session::all_deprecated),
        method!(c"getAllClientSessions", [optional(c"group", c"''")], session::all),
        method!(c"getClientInfoByGroup", [GROUP], session::of_group_deprecated),
        method!(c"getClientSessionsByGroup", [GROUP], session::of_group),
        method!(c"getAllClientIdCount", [], presence::all_client_id_count),
        method!(c"getAllClientCount", [], presence::all_client_count),
        method!(c"getClientIdCountByGroup", [optional(c"group", c"''")], presence::client_id_count_by_group),
        method!(c"getClientCountByGroup", [optional(c"group", c"''")], presence::client_count_by_group),
        method!(
            c"batchGetClientIdCountByGroup",
            [array(c"groups")],
            presence::batch_client_id_count_by_group,
            Type::Array
        ),
        method!(c"getClientIdListByGroup", [GROUP], presence::client_id_list_by_group),
        method!(c"getAllClientIdList", [], presence::all_client_id_list),
        method!(c"getClientIdByUid", [required(c"uid")], uid::client_id_by_uid),
        method!(c"batchGetClientIdByUid", [required(c"uids")], uid::batch_client_id_by_uid),
        method!(c"getUidListByGroup", [GROUP], uid::uid_list_by_group),
        method!(c"getUidCountByGroup", [GROUP], uid::uid_count_by_group),
        method!(c"getAllUidList", [], uid::all_uid_list),
        method!(c"getAllUidCount", [], uid::all_uid_count),
        method!(c"getUidByClientId", [CLIENT], uid::uid_by_client_id),
        method!(c"getAllGroupIdList", [], group::all_group_id_list),
        method!(c"getAllGroupUidCount", [], group::all_group_uid_count),
        method!(c"getAllGroupUidList", [], group::all_group_uid_list),
        method!(c"getAllGroupClientIdList", [], group::all_group_client_id_list),
        method!(c"getAllGroupClientIdCount", [], group::all_group_client_id_count),
        method!(c"closeClient", [CLIENT, optional(c"message", c"null")], close::close_client),
        method!(c"destoryClient", [CLIENT], close::destory_client),
        method!(c"destoryCurrentClient", [], close::destory_current_client),
        method!(c"bindUid", [CLIENT, required(c"uid")], uid::bind_uid),
        method!(c"unbindUid", [CLIENT, required(c"uid")], uid::unbind_uid),
        method!(c"joinGroup", [CLIENT, GROUP], group::join_group),
        method!(c"leaveGroup", [CLIENT, GROUP], group::leave_group),
        method!(c"ungroup", [GROUP], group::ungroup),
        method!(c"sendToUid", [required(c"uid"), MESSAGE], send::to_uid),
        method!(
            c"sendToGroup",
            [GROUP, MESSAGE, optional(c"exclude_client_id", c"null"), RAW],
            send::to_group
        ),
        method!(c"setSocketSession", [CLIENT, required(c"session_str")], session::set_socket_session),
        method!(c"setSession", [CLIENT, array(c"session")], session::set),
        method!(c"updateSession", [CLIENT, array(c"session")], session::update),
        method!(c"getSession", [CLIENT], session::get),
        method!(c"setBusinessWorker", [required(c"business_worker_instance")], process::set_business_worker),
        // Ours.
        method!(c"getClientIdByUids", [required(c"uids")], uid::client_id_by_uids),
        method!(c"destroyClient", [CLIENT], close::destroy_client),
        method!(
            c"flush",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::flush,
            Type::Bool
        ),
        method!(
            c"confirm",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::confirm,
            Type::Bool
        ),
        method!(c"status", [], process::status, Type::Array),
        method!(c"fake", [optional(c"returns", c"[]")], fake::fake),
        method!(c"sent", [optional(c"method", c"null")], fake::sent, Type::Array),
    ],
    protected: protected!([CLIENT, required(c"cmd"), MESSAGE, optional(c"ext_data", c"''")], []),
};
