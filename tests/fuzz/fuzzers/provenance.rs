#![no_main]
#![allow(missing_docs, reason = "see the function")]

libfuzzer_sys::fuzz_target!(init: fuzz::load_plugin(), |data: &[u8]| fuzz::provenance(data));
