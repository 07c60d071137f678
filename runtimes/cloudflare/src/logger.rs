//! The backend of `log` that writes to the Worker's console.

use worker::{console_error, console_log, console_warn};

struct Console;

impl log::Log for Console {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            log::Level::Error => console_error!("{}", record.args()),
            log::Level::Warn => console_warn!("{}", record.args()),
            _ => console_log!("{}", record.args()),
        }
    }

    fn flush(&self) {}
}

/// Sends `log` records and panics to the console. A second call changes nothing.
pub fn init() {
    console_error_panic_hook::set_once();
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}
