//! `cargo xtask sizes`: builds the Worker and the components, and fails if one of them is larger than its limit.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::build;
use crate::console;
use crate::runtime::Runtime;
use crate::tools::Tools;
use crate::workspace;

/// Most bytes of the Worker and of each component, gzipped: Cloudflare limits what is uploaded in this form, and what is
/// uploaded has to be loaded and compiled before the first request.
const WORKER: usize = 1_100_000;
const COMPONENT: usize = 850_000;

/// Options of `sizes`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only what this runtime runs
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::open()?;
    tools.for_build()?;
    let mut sizes = Vec::new();
    if args.runtime.is_none_or(|runtime| runtime == Runtime::Workerd) {
        build::worker(&tools, &workspace::worker_crate())?;
        sizes.extend(worker()?);
    }
    if args.runtime.is_none_or(|runtime| runtime == Runtime::Spin) {
        build::components()?;
        sizes.extend(components()?);
    }
    report(&sizes)
}

/// Fails if what is built for `runtime` is larger than its limit.
pub(super) fn check(runtime: Runtime) -> Result<()> {
    report(&match runtime {
        Runtime::Workerd => worker()?,
        Runtime::Spin => components()?,
    })
}

fn worker() -> Result<Vec<Size>> {
    Ok(vec![Size::of("Worker", &build::worker_files(), WORKER)?])
}

fn components() -> Result<Vec<Size>> {
    let functions = workspace::functions()?.into_iter();
    functions
        .map(|function| {
            Size::of(&format!("component {function}"), &[build::component_file(&function)], COMPONENT)
        })
        .collect()
}

/// What one of the two runtimes loads as a whole.
struct Size {
    what: String,
    raw: usize,
    gzipped: usize,
    limit: usize,
}

impl Size {
    fn of(what: &str, files: &[PathBuf], limit: usize) -> Result<Self> {
        let mut size = Self { what: what.to_owned(), raw: 0, gzipped: 0, limit };
        for file in files {
            let (raw, gzipped) = measure(file)?;
            size.raw += raw;
            size.gzipped += gzipped;
        }
        Ok(size)
    }
}

fn measure(file: &Path) -> Result<(usize, usize)> {
    let bytes = std::fs::read(file).with_context(|| format!("no {}", file.display()))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes)?;
    Ok((bytes.len(), gzip.finish()?.len()))
}

fn report(sizes: &[Size]) -> Result<()> {
    console::note(format!("{:28} {:>10} {:>10} {:>10}", "kB", "raw", "gzipped", "limit"));
    for Size { what, raw, gzipped, limit } in sizes {
        let (raw, gzipped, limit) = (raw / 1000, gzipped.div_ceil(1000), limit / 1000);
        console::note(format!("{what:28} {raw:>10} {gzipped:>10} {limit:>10}"));
    }
    let over: Vec<&str> =
        sizes.iter().filter(|size| size.gzipped > size.limit).map(|size| size.what.as_str()).collect();
    ensure!(over.is_empty(), "larger than the limit: {}", over.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_over_the_limit_fails_and_is_named() {
        let size = |gzipped| Size { what: "component a".to_owned(), raw: 2, gzipped, limit: 800 };
        report(&[size(800)]).unwrap();
        let error = report(&[size(1), size(801)]).unwrap_err().to_string();
        assert_eq!(error, "larger than the limit: component a");
    }

    #[test]
    fn sizes_of_several_files_are_added() {
        let dir = tempfile::tempdir().unwrap();
        let files = [dir.path().join("a"), dir.path().join("b")];
        std::fs::write(&files[0], [7; 10_000]).unwrap();
        std::fs::write(&files[1], [8; 10_000]).unwrap();
        let size = Size::of("both", &files, 1).unwrap();
        assert_eq!(size.raw, 20_000);
        assert!((40..1000).contains(&size.gzipped), "{}", size.gzipped);
        assert!(Size::of("none", &[dir.path().join("c")], 1).is_err());
    }
}
