pub(crate) mod html_report;
pub(crate) mod layout;
pub(crate) mod text_report;
