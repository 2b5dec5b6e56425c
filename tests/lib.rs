//! End-to-end tests live beside this file; see the `[[test]]` entries of the manifest.
