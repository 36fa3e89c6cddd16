//! What PHP code sees: the classes, their static properties, their methods with parameter names, order and defaults.
//!
//! Names, order and defaults are those of the original classes; what is ours stands behind. `stubs/gatewayworker.stub.php`
//! says the same for editors, and a test holds the two together.

use std::ffi::CStr;

use crate::call::handler;
use crate::engine::frame::Handler;
use crate::methods::{close, presence, process, send, session};

/// A class.
pub struct ClassSpec {
    /// Its full name.
    pub name: &'static str,
    /// Its static properties.
    pub statics: &'static [StaticSpec],
    /// Its methods, in order.
    pub methods: &'static [MethodSpec],
}

/// A static property.
pub struct StaticSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether it is protected instead of public.
    pub protected: bool,
    /// Its value at the start of each request.
    pub default: Default,
}

/// The default of a static property.
pub enum Default {
    /// null
    Null,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// The setting `gatewayworker.register_address`.
    RegisterAddress,
    /// The setting `gatewayworker.secret_key`.
    SecretKey,
    /// An empty array.
    EmptyArray,
}

/// A public static method.
pub struct MethodSpec {
    /// Its name.
    pub name: &'static CStr,
    /// Its parameters.
    pub params: &'static [Param],
    /// Its declared return type; the original declares none.
    pub returns: Option<Type>,
    /// What runs.
    pub handler: Handler,
}

/// A parameter.
pub struct Param {
    /// Its name.
    pub name: &'static CStr,
    /// Its default as PHP code; a parameter without one is required.
    pub default: Option<&'static CStr>,
    /// Its declared type; the original declares hardly any.
    pub ty: Option<Type>,
}

/// A declared type.
#[derive(Clone, Copy)]
pub enum Type {
    /// `array`
    Array,
    /// `float`
    Float,
    /// `bool`
    Bool,
}

/// A parameter of any type.
const fn p(name: &'static CStr) -> Param {
    Param { name, default: None, ty: None }
}

/// An optional parameter of any type.
const fn o(name: &'static CStr, default: &'static CStr) -> Param {
    Param { name, default: Some(default), ty: None }
}

/// A required array.
const fn array(name: &'static CStr) -> Param {
    Param { name, default: None, ty: Some(Type::Array) }
}

macro_rules! method {
    ($name:literal, [$($param:expr),*], $run:path) => {
        MethodSpec { name: $name, params: &[$($param),*], returns: None, handler: handler!($run) }
    };
    ($name:literal, [$($param:expr),*], $run:path, $returns:expr) => {
        MethodSpec { name: $name, params: &[$($param),*], returns: Some($returns), handler: handler!($run) }
    };
}

const RAW: Param = o(c"raw", c"false");
const CLIENT: Param = p(c"client_id");
const MESSAGE: Param = p(c"message");
const GROUP: Param = p(c"group");

/// `GatewayWorker\Lib\Gateway`.
pub static GATEWAY: ClassSpec = ClassSpec {
    name: "GatewayWorker\\Lib\\Gateway",
    statics: &[
        StaticSpec { name: "businessWorker", protected: true, default: Default::Null },
        StaticSpec { name: "registerAddress", protected: false, default: Default::RegisterAddress },
        StaticSpec { name: "secretKey", protected: false, default: Default::SecretKey },
        StaticSpec { name: "connectTimeout", protected: false, default: Default::Int(3) },
        StaticSpec { name: "persistentConnection", protected: false, default: Default::Bool(true) },
        StaticSpec { name: "addressesCacheDisable", protected: false, default: Default::Bool(false) },
        StaticSpec { name: "gatewayConnections", protected: true, default: Default::EmptyArray },
    ],
    methods: &[
        method!(
            c"sendToAll",
            [MESSAGE, o(c"client_id_array", c"null"), o(c"exclude_client_id", c"null"), RAW],
            send::to_all
        ),
        method!(c"sendToClient", [CLIENT, MESSAGE, RAW], send::to_client),
        method!(c"sendToCurrentClient", [MESSAGE, RAW], send::to_current_client),
        method!(c"isUidOnline", [p(c"uid")], presence::is_uid_online),
        method!(c"isOnline", [CLIENT], presence::is_online),
        method!(c"getAllClientInfo", [o(c"group", c"''")], session::all_deprecated),
        method!(c"getAllClientSessions", [o(c"group", c"''")], session::all),
        method!(c"getClientInfoByGroup", [GROUP], session::of_group_deprecated),
        method!(c"getClientSessionsByGroup", [GROUP], session::of_group),
        method!(c"getAllClientIdCount", [], presence::all_client_id_count),
        method!(c"getAllClientCount", [], presence::all_client_count),
        method!(c"getClientIdCountByGroup", [o(c"group", c"''")], presence::client_id_count_by_group),
        method!(c"getClientCountByGroup", [o(c"group", c"''")], presence::client_count_by_group),
        method!(c"getClientIdListByGroup", [GROUP], presence::client_id_list_by_group),
        method!(c"getAllClientIdList", [], presence::all_client_id_list),
        method!(c"getClientIdByUid", [p(c"uid")], presence::client_id_by_uid),
        method!(c"getUidListByGroup", [GROUP], presence::uid_list_by_group),
        method!(c"getUidCountByGroup", [GROUP], presence::uid_count_by_group),
        method!(c"getAllUidList", [], presence::all_uid_list),
        method!(c"getAllUidCount", [], presence::all_uid_count),
        method!(c"getUidByClientId", [CLIENT], presence::uid_by_client_id),
        method!(c"getAllGroupIdList", [], presence::all_group_id_list),
        method!(c"getAllGroupUidCount", [], presence::all_group_uid_count),
        method!(c"getAllGroupUidList", [], presence::all_group_uid_list),
        method!(c"getAllGroupClientIdList", [], presence::all_group_client_id_list),
        method!(c"getAllGroupClientIdCount", [], presence::all_group_client_id_count),
        method!(c"closeClient", [CLIENT, o(c"message", c"null")], close::close_client),
        method!(c"closeCurrentClient", [o(c"message", c"null")], close::close_current_client),
        method!(c"destoryClient", [CLIENT], close::destroy_client),
        method!(c"destoryCurrentClient", [], close::destroy_current_client),
        method!(c"bindUid", [CLIENT, p(c"uid")], process::bind_uid),
        method!(c"unbindUid", [CLIENT, p(c"uid")], process::unbind_uid),
        method!(c"joinGroup", [CLIENT, GROUP], process::join_group),
        method!(c"leaveGroup", [CLIENT, GROUP], process::leave_group),
        method!(c"ungroup", [GROUP], process::ungroup),
        method!(c"sendToUid", [p(c"uid"), MESSAGE, RAW], send::to_uid),
        method!(c"sendToGroup", [GROUP, MESSAGE, o(c"exclude_client_id", c"null"), RAW], send::to_group),
        method!(c"setSocketSession", [CLIENT, p(c"session_str")], session::set_socket_session),
        method!(c"setSession", [CLIENT, array(c"session")], session::set),
        method!(c"updateSession", [CLIENT, array(c"session")], session::update),
        method!(c"getSession", [CLIENT], session::get),
        method!(c"setBusinessWorker", [p(c"business_worker_instance")], process::set_business_worker),
        // Ours, and those that only GatewayClient\Gateway has.
        method!(c"isUidsOnline", [p(c"uids")], presence::is_uids_online),
        method!(c"batchGetClientIdByUid", [p(c"uids")], presence::batch_client_id_by_uid),
        method!(
            c"batchGetClientIdCountByGroup",
            [array(c"groups")],
            presence::batch_client_id_count_by_group,
            Type::Array
        ),
        method!(c"getClientIdByUids", [p(c"uids")], presence::client_id_by_uids),
        method!(c"destroyClient", [CLIENT], close::destroy_client_spelled_right),
        method!(c"destroyCurrentClient", [], close::destroy_current_client_spelled_right),
        method!(
            c"flush",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::flush,
            Type::Bool
        ),
        method!(c"status", [], process::status, Type::Array),
    ],
};

/// `GatewayClient\Gateway`: no `sendToCurrentClient` and `closeCurrentClient`, fewer `$raw` parameters.
pub static GATEWAY_CLIENT: ClassSpec = ClassSpec {
    name: "GatewayClient\\Gateway",
    statics: &[
        StaticSpec { name: "businessWorker", protected: true, default: Default::Null },
        StaticSpec { name: "registerAddress", protected: false, default: Default::RegisterAddress },
        StaticSpec { name: "secretKey", protected: false, default: Default::SecretKey },
        StaticSpec { name: "connectTimeout", protected: false, default: Default::Int(3) },
        StaticSpec { name: "persistentConnection", protected: false, default: Default::Bool(false) },
        StaticSpec { name: "addressesCacheDisable", protected: false, default: Default::Bool(false) },
    ],
    methods: &[
        method!(
            c"sendToAll",
            [MESSAGE, o(c"client_id_array", c"null"), o(c"exclude_client_id", c"null"), RAW],
            send::to_all
        ),
        method!(c"sendToClient", [CLIENT, MESSAGE], send::to_client),
        method!(c"isUidOnline", [p(c"uid")], presence::is_uid_online),
        method!(c"isUidsOnline", [p(c"uids")], presence::is_uids_online),
        method!(c"isOnline", [CLIENT], presence::is_online),
        method!(c"getAllClientInfo", [o(c"group", c"''")], session::all_deprecated),
        method!(c"getAllClientSessions", [o(c"group", c"''")], session::all),
        method!(c"getClientInfoByGroup", [GROUP], session::of_group_deprecated),
        method!(c"getClientSessionsByGroup", [GROUP], session::of_group),
        method!(c"getAllClientIdCount", [], presence::all_client_id_count),
        method!(c"getAllClientCount", [], presence::all_client_count),
        method!(c"getClientIdCountByGroup", [o(c"group", c"''")], presence::client_id_count_by_group),
        method!(c"getClientCountByGroup", [o(c"group", c"''")], presence::client_count_by_group),
        method!(
            c"batchGetClientIdCountByGroup",
            [array(c"groups")],
            presence::batch_client_id_count_by_group,
            Type::Array
        ),
        method!(c"getClientIdListByGroup", [GROUP], presence::client_id_list_by_group),
        method!(c"getAllClientIdList", [], presence::all_client_id_list),
        method!(c"getClientIdByUid", [p(c"uid")], presence::client_id_by_uid),
        method!(c"batchGetClientIdByUid", [p(c"uids")], presence::batch_client_id_by_uid),
        method!(c"getUidListByGroup", [GROUP], presence::uid_list_by_group),
        method!(c"getUidCountByGroup", [GROUP], presence::uid_count_by_group),
        method!(c"getAllUidList", [], presence::all_uid_list),
        method!(c"getAllUidCount", [], presence::all_uid_count),
        method!(c"getUidByClientId", [CLIENT], presence::uid_by_client_id),
        method!(c"getAllGroupIdList", [], presence::all_group_id_list),
        method!(c"getAllGroupUidCount", [], presence::all_group_uid_count),
        method!(c"getAllGroupUidList", [], presence::all_group_uid_list),
        method!(c"getAllGroupClientIdList", [], presence::all_group_client_id_list),
        method!(c"getAllGroupClientIdCount", [], presence::all_group_client_id_count),
        method!(c"closeClient", [CLIENT, o(c"message", c"null")], close::close_client),
        method!(c"destoryClient", [CLIENT], close::destroy_client),
        method!(c"destoryCurrentClient", [], close::destroy_current_client),
        method!(c"bindUid", [CLIENT, p(c"uid")], process::bind_uid),
        method!(c"unbindUid", [CLIENT, p(c"uid")], process::unbind_uid),
        method!(c"joinGroup", [CLIENT, GROUP], process::join_group),
        method!(c"leaveGroup", [CLIENT, GROUP], process::leave_group),
        method!(c"ungroup", [GROUP], process::ungroup),
        method!(c"sendToUid", [p(c"uid"), MESSAGE], send::to_uid),
        method!(c"sendToGroup", [GROUP, MESSAGE, o(c"exclude_client_id", c"null"), RAW], send::to_group),
        method!(c"setSocketSession", [CLIENT, p(c"session_str")], session::set_socket_session),
        method!(c"setSession", [CLIENT, array(c"session")], session::set),
        method!(c"updateSession", [CLIENT, array(c"session")], session::update),
        method!(c"getSession", [CLIENT], session::get),
        method!(c"setBusinessWorker", [p(c"business_worker_instance")], process::set_business_worker),
        // Ours.
        method!(c"getClientIdByUids", [p(c"uids")], presence::client_id_by_uids),
        method!(c"destroyClient", [CLIENT], close::destroy_client_spelled_right),
        method!(
            c"flush",
            [Param { name: c"timeout", default: Some(c"5.0"), ty: Some(Type::Float) }],
            process::flush,
            Type::Bool
        ),
        method!(c"status", [], process::status, Type::Array),
    ],
};
