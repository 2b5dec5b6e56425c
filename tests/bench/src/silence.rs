//! The part of the services in which plugins report and are cancelled, for hosts that are measured.

/// Ignores everything that a plugin reports, and never cancels it.
macro_rules! silence {
    () => {
        fn log(&self, _: step_osquery::contract::Level, _: &str) {}

        fn progress(&self, _: usize, _: usize, _: &str) {}

        fn parts_wanted(&self) -> bool {
            false
        }

        fn part(&self, _: &str, _: Result<String, String>) {}

        async fn cancellation(&self) {
            std::future::pending::<()>().await;
        }
    };
}

pub(crate) use silence;
