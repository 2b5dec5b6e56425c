//! The part of the services in which plugins report and are cancelled, for hosts that are measured.

/// Ignores everything that a plugin reports, and never cancels it.
macro_rules! silence {
    () => {
        fn log(&self, _: step_osquery::contract::Level, _: &str) {}

        fn progress(&self, _: usize, _: usize, _: &str) {}

        async fn cancellation(&self) {
            std::future::pending::<()>().await;
        }
    };
}

pub(crate) use silence;
