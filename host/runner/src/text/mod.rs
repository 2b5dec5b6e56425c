pub(crate) mod diagnostic;
pub(crate) mod document;
pub(crate) mod outline;
pub(crate) mod scalar_span;
pub(crate) mod schema;
pub(crate) mod source;
pub(crate) mod visible;
pub(crate) mod yaml_error;
