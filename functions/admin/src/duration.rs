//! Durations as Go writes them (`time.ParseDuration`): `24h`, `1h30m`, `1.5s`, with the units h, m, s, ms, us, ns.

use std::time::Duration;

/// The longest duration of Go: 2^63 - 1 nanoseconds, about 292 years.
const LONGEST: u128 = i64::MAX as u128;

/// Why a text is not a usable duration.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Not of the form.
    Malformed,
    /// Zero or negative.
    NotPositive,
}

/// Reads a duration, which must be positive.
pub(super) fn parse(text: &str) -> Result<Duration, Refused> {
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
        [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if rest == "0" {
        return Err(Refused::NotPositive);
    }
    if rest.is_empty() {
        return Err(Refused::Malformed);
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = part(rest).ok_or(Refused::Malformed)?;
        nanos = nanos.saturating_add(part);
        rest = after;
    }
    if nanos > LONGEST {
        return Err(Refused::Malformed);
    }
    if negative || nanos == 0 {
        return Err(Refused::NotPositive);
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| Refused::Malformed)
}

/// Reads one number with its unit from the start of `text`. Returns its nanoseconds and the rest of the text.
fn part(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (nanos, rest) = unit(rest)?;
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    // Digits beyond the 18th change no nanosecond.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
    Some((u128::from(whole) * nanos + u128::from(fraction) * nanos / scale, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn unit(text: &str) -> Option<(u128, &str)> {
    const UNITS: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS.iter().find_map(|(name, nanos)| text.strip_prefix(name).map(|rest| (*nanos, rest)))
}

/// The form, as a regular expression for JSON Schema. It also fits durations that are too long.
pub(super) const PATTERN: &str =
    "^\\+?(?:(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:ns|us|\u{b5}s|\u{3bc}s|ms|s|m|h))+$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("24h", 86_400_000_000_000),
            ("8760h", 31_536_000_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1m1s1ms1us1ns", 61_001_001_001),
            ("+5s", 5_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("10\u{b5}s10\u{3bc}s", 20_000),
            ("0.3333333333333333333333333h", 1_199_999_999_999),
            ("1ns", 1),
            ("2562047h47m16.854775807s", 9_223_372_036_854_775_807),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_go_does_not_read_is_refused() {
        for text in [
            "",
            "+",
            "-",
            "5",
            ".",
            ".s",
            "s",
            "1d",
            "1 h",
            " 1h",
            "1h ",
            "1H",
            "--1h",
            "1h-5m",
            "1e3s",
            "3000000h",
            "1h2",
            "99999999999999999999h",
            "1hm",
            "١h",
        ] {
            assert_eq!(parse(text), Err(Refused::Malformed), "{text:?}");
        }
        for text in ["0", "0s", "-1h", "-0", "+0", "0h0m", "0.1ns"] {
            assert_eq!(parse(text), Err(Refused::NotPositive), "{text:?}");
        }
    }
}
