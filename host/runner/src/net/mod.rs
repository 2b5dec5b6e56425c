pub(crate) mod address;
pub(crate) mod egress;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod resolver;
pub(crate) mod tls;
