//! Plugins: the built-in one, those of earlier contracts, and hostile ones.

mod built_in;
mod golden;
mod hostile;
mod lock;
