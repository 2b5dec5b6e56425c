//! A poll of a connector: what it remembers between polls, delivers and reports. Knows events and servers in general, and
//! no particular fleet manager.

pub(crate) mod trouble;
