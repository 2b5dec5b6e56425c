//! End-to-end tests: the real command and the real component against simulated fleet managers.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start processes, wait for them, and look at the clock"
)]

mod architecture;
mod command;
mod commands;
mod fleet_managers;
mod network;
mod one_step;
mod plugin;
mod poll;
mod report;
mod repository;
mod run;
mod wrong_input;
