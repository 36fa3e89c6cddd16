//! Worker mode: the BusinessWorker whose connections tell which gateways there are. They are read,
//! never written to.

use std::borrow::Cow;

use ext_php_rs::types::{ZendObject, Zval};

use crate::call::{Failure, Result};
use crate::engine::array;
use crate::engine::key::Key;
use crate::engine::names::names;
use crate::engine::{object, values::Zv};
use crate::statics::Statics;

/// The instance that was passed to `setBusinessWorker()`.
#[derive(Debug)]
pub struct Worker(Zval);

impl Worker {
    /// The worker of the called class, if it has one.
    #[inline]
    pub fn of(statics: &Statics) -> Option<Self> {
        let slot = statics.business_worker?;
        // A copy outlives whatever PHP code does to the property.
        if slot.is_null() { None } else { Some(Self(slot.value())) }
    }

    fn object(&self) -> Option<&ZendObject> {
        self.0.object()
    }

    /// Whether sends go by its connections. One that is false, an empty string or the like counts as
    /// none for them; queries go to it all the same, as in the original.
    #[inline]
    pub fn sends(&self) -> bool {
        self.0.is_object() || self.0.truthy()
    }

    /// A number that no other live object has.
    #[inline]
    pub fn number(&self) -> u32 {
        self.object().map_or(0, |object| object.handle)
    }

    /// Whether it has a connection to this gateway.
    pub fn is_connected_to(&self, address: &str) -> bool {
        self.connections()
            .array()
            .and_then(|connections| array::find(connections, address.as_bytes()))
            .is_some_and(|connection| !connection.dereference().is_null())
    }

    /// The addresses of the gateways that it is connected to.
    pub fn connected(&self) -> Vec<String> {
        let connections = self.connections();
        let Some(connections) = connections.array() else { return Vec::new() };
        array::entries(connections).map(|(key, _)| text(key).into_owned()).collect()
    }

    /// The addresses of all gateways that it knows of.
    ///
    /// # Errors
    /// Where it knows of none, as in the original; and where it throws.
    pub fn known(&self) -> Result<Vec<String>> {
        let Some(object) = self.object() else {
            let what = self.0.type_name();
            return Err(Failure::Error(format!(
                "Call to a member function getAllGatewayAddresses() on {what}"
            ))
            .into());
        };
        let returned = object.try_call_method("getAllGatewayAddresses", Vec::new());
        if object::exception_pending() {
            return Err(Failure::Thrown.into());
        }
        let addresses: Vec<String> = match &returned {
            Ok(returned) => returned.dereference().array().map_or_else(Vec::new, |addresses| {
                array::entries(addresses)
                    .filter_map(|(_, address)| address.dereference().to_php_string())
                    .map(|address| String::from_utf8_lossy(address.as_bytes()).into_owned())
                    .collect()
            }),
            Err(_) => {
                let class = object.get_class_name().unwrap_or_default();
                return Err(Failure::Error(format!(
                    "Call to undefined method {class}::getAllGatewayAddresses()"
                ))
                .into());
            }
        };
        if addresses.is_empty() {
            return Err(
                Failure::Unreachable("businessWorker::getAllGatewayAddresses return empty".into()).into()
            );
        }
        Ok(addresses)
    }

    /// A copy, so that the array stays as it is while it is read.
    fn connections(&self) -> Zval {
        self.object().map(|object| object::property(object, &names().gateway_connections)).unwrap_or_default()
    }
}

fn text(key: Key<'_>) -> Cow<'_, str> {
    match key {
        Key::Int(number) => Cow::Owned(number.to_string()),
        Key::Str(bytes) => String::from_utf8_lossy(bytes),
    }
}
