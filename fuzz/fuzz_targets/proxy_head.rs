//! The entry for libFuzzer.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls a function by its name")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::proxy_head::target(data));
