pub(crate) mod connector;
pub(crate) mod poller;
pub(crate) mod sink;
pub(crate) mod state_file;
