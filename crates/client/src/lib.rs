//! A GatewayWorker client.
