//! What the fuzz targets run. The tests `fuzz_regressions` of `shared/core`, `shared/mcp` and `functions/oauth-callback`
//! include the same files, and run them on the seeds and on mutants of the seeds.

pub mod bodies;
pub mod callback;
pub mod oracle;
pub mod protocol;

/// The entry of a target: libFuzzer's, or in other builds a program that runs `$body` on the files in its arguments.
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
