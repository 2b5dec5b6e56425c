//! Reports for people: text on a terminal, and an HTML page.

mod browser;
mod html;
mod text;
