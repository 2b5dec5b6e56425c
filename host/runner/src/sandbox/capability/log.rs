//! Messages for the operator.

use crate::sandbox::bindings::playbook::plugin::log;
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::{CallEvent, LogLevel};

/// The longest message that is passed on, in bytes.
const LONGEST: usize = 2_000;

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        if self.log_messages_left == 0 {
            return Ok(());
        }
        self.log_messages_left -= 1;
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        let message = self.printable(&message, LONGEST);
        self.emit(CallEvent::Log { level, message });
        if self.log_messages_left == 0 {
            let message = "the plugin logs too much; the rest of its messages is dropped".to_owned();
            self.emit(CallEvent::Log {
                level: LogLevel::Warn,
                message,
            });
        }
        Ok(())
    }

    fn panicked(&mut self, message: String) -> wasmtime::Result<()> {
        self.panic = Some(self.printable(&message, LONGEST));
        Ok(())
    }
}
