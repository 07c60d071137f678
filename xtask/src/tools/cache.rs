//! The user's cache directory: one folder per tool and version, shared by every clone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::console;
use crate::fs_ext;

/// The cache directory.
pub(super) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the cache directory, and creates it if need be: `$POSTERN_CACHE`, else `postern` in the platform's
    /// cache directory.
    pub(super) fn open() -> Result<Self> {
        let dir =
            location(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))?;
        std::fs::create_dir_all(&dir).with_context(|| {
            format!("cannot create {} (POSTERN_CACHE names another place)", dir.display())
        })?;
        Ok(Self { dir })
    }

    /// Returns the folder `name`, installed by `install` unless `marker` is already in it.
    ///
    /// `install` fills a temporary folder, which becomes the folder `name` only after a successful installation, so
    /// that an interrupted run can simply be repeated.
    pub(super) fn ensure(
        &self,
        name: &str,
        marker: &Path,
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.dir.join(name);
        if folder.join(marker).exists() {
            return Ok(folder);
        }
        let _lock = fs_ext::lock(&self.dir.join(format!("{name}.lock")))?;
        if folder.join(marker).exists() {
            return Ok(folder);
        }
        let step = console::step(format!("install {name} into {}", self.dir.display()));
        let temporary = self.dir.join(format!("{name}.tmp"));
        fs_ext::remove_dir(&temporary)?;
        std::fs::create_dir_all(&temporary)?;
        install(&temporary)?;
        if !temporary.join(marker).exists() {
            bail!("{name} was installed without {}", marker.display());
        }
        fs_ext::remove_dir(&folder)?;
        std::fs::rename(&temporary, &folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        step.done();
        Ok(folder)
    }

    /// An empty scratch folder, which the caller has to remove.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.join("tmp").join(name);
        fs_ext::remove_dir(&folder)?;
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

fn location(var: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(dir) = var("POSTERN_CACHE") {
        return std::path::absolute(&dir).with_context(|| format!("bad POSTERN_CACHE {}", dir.display()));
    }
    // The XDG rules say that a relative path is invalid and must be ignored.
    if let Some(dir) = var("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()) {
        return Ok(dir.join("postern"));
    }
    let home = var("HOME").context("HOME is not set; set POSTERN_CACHE to a folder for the tools")?;
    Ok(home.join(if cfg!(target_os = "macos") { "Library/Caches/postern" } else { ".cache/postern" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(name: &str) -> Cache {
        let dir = std::env::temp_dir().join(format!("postern-xtask-{}-{name}", std::process::id()));
        fs_ext::remove_dir(&dir).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        Cache { dir }
    }

    #[test]
    fn installs_once_and_again_after_a_failure() {
        let cache = cache("once");
        let marker = Path::new("bin/tool");
        let fill = |folder: &Path| {
            std::fs::create_dir_all(folder.join("bin"))?;
            std::fs::write(folder.join("bin/tool"), "")?;
            Ok(())
        };
        let broken = cache.ensure("tool-1", marker, |folder| {
            std::fs::write(folder.join("half"), "")?;
            bail!("interrupted")
        });
        assert!(broken.is_err() && !cache.dir.join("tool-1").exists());
        let folder = cache.ensure("tool-1", marker, fill).unwrap();
        assert!(folder.join(marker).exists() && !folder.join("half").exists());
        cache.ensure("tool-1", marker, |_| bail!("a second installation")).unwrap();
        fs_ext::remove_dir(&cache.dir).unwrap();
    }

    #[test]
    fn an_installation_without_its_program_is_refused() {
        let cache = cache("marker");
        assert!(cache.ensure("tool-1", Path::new("bin/tool"), |_| Ok(())).is_err());
        fs_ext::remove_dir(&cache.dir).unwrap();
    }

    #[test]
    fn the_location_follows_the_environment() {
        let of = |name: &'static str, value: &'static str| {
            location(|asked| match asked {
                "HOME" => Some("/home/u".into()),
                _ => (asked == name).then(|| value.into()),
            })
            .unwrap()
        };
        assert_eq!(of("POSTERN_CACHE", "/c"), PathBuf::from("/c"));
        assert_eq!(of("XDG_CACHE_HOME", "/x"), PathBuf::from("/x/postern"));
        assert!(of("XDG_CACHE_HOME", "relative").starts_with("/home/u"));
        assert!(location(|_| None).unwrap_err().to_string().contains("POSTERN_CACHE"));
    }
}
