//! Dates, times and durations (RFC 3339).

/// A day that exists, as `yyyy-mm-dd`.
pub(super) fn is_date(text: &str) -> bool {
    let Some((year, rest)) = digits(text, 4) else { return false };
    let Some((month, rest)) = rest.strip_prefix('-').and_then(|rest| digits(rest, 2)) else { return false };
    let Some((day, "")) = rest.strip_prefix('-').and_then(|rest| digits(rest, 2)) else { return false };
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `hh:mm:ss`, with or without a fraction, and the distance from UTC.
pub(super) fn is_time(text: &str) -> bool {
    let Some((hour, minute, rest)) = hour_and_minute(text) else { return false };
    let Some((second, rest)) = rest.strip_prefix(':').and_then(|rest| digits(rest, 2)) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        Some(_) => return false,
        None => rest,
    };
    // Minutes since midnight in UTC, or a day more.
    let minutes = if matches!(rest, "z" | "Z") {
        hour * 60 + minute
    } else {
        let is_ahead = rest.starts_with('+');
        let Some((hours, minutes, "")) = rest.strip_prefix(['+', '-']).and_then(hour_and_minute) else {
            return false;
        };
        let offset = hours * 60 + minutes;
        hour * 60 + minute + if is_ahead { 24 * 60 - offset } else { offset }
    };
    // A leap second is the last of a day in UTC.
    second < 60 || second == 60 && minutes % (24 * 60) == 23 * 60 + 59
}

/// A date and a time.
pub(super) fn is_date_time(text: &str) -> bool {
    text.split_once(['t', 'T']).is_some_and(|(date, time)| is_date(date) && is_time(time))
}

/// `P…`: weeks, or years, months, days and hours, minutes, seconds in this order.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P').filter(|rest| !rest.is_empty()) else { return false };
    if let Some(weeks) = rest.strip_suffix('W') {
        return !weeks.is_empty() && weeks.bytes().all(|b| b.is_ascii_digit());
    }
    match rest.split_once('T') {
        Some((date, time)) => !time.is_empty() && is_series(date, "YMD") && is_series(time, "HMS"),
        None => is_series(rest, "YMD"),
    }
}

/// Two date-times, or one of them and a duration, with a slash between.
pub(super) fn is_period(text: &str) -> bool {
    text.split_once('/').is_some_and(|(start, end)| {
        is_date_time(start) && (is_date_time(end) || is_duration(end))
            || is_duration(start) && is_date_time(end)
    })
}

/// Numbers with `units`, each at most once and in order.
fn is_series(text: &str, units: &str) -> bool {
    let (mut rest, mut units) = (text, units);
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let unit = after.chars().next().and_then(|unit| units.split_once(unit));
        let (Some((_, left)), true) = (unit, after.len() < rest.len()) else { return false };
        units = left;
        rest = after.get(1..).unwrap_or_default();
    }
    true
}

fn hour_and_minute(text: &str) -> Option<(u32, u32, &str)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    (hour < 24 && minute < 60).then_some((hour, minute, rest))
}

/// Splits the number that the first `count` digits form from the rest.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    number
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| number.parse().ok())
        .flatten()
        .map(|number| (number, rest))
}
