//! What the fuzz targets run. `cargo test` in the workspace above includes the same files and runs them on seeds and their
//! mutants.

pub mod bodies;
pub mod callback;
pub mod oracle;

/// The entry of a target: libFuzzer's, or for other builds one that runs `$body` on the files that it is given.
#[macro_export]
macro_rules! target {
    ($body:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $body(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args_os().skip(1) {
                $body(&std::fs::read(path)?);
            }
            Ok(())
        }
    };
}
