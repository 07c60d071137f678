//! Host names and e-mail addresses, in ASCII and international.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Letters that no name may contain (RFC 5892 §2.6).
const DISALLOWED: [char; 10] = [
    '\u{640}', '\u{7fa}', '\u{302e}', '\u{302f}', '\u{3031}', '\u{3032}', '\u{3033}', '\u{3034}', '\u{3035}',
    '\u{303b}',
];
/// Characters that a zero-width joiner may follow (RFC 5892 §A.2).
const VIRAMA: [char; 61] = [
    '\u{94d}',
    '\u{9cd}',
    '\u{a4d}',
    '\u{acd}',
    '\u{b4d}',
    '\u{bcd}',
    '\u{c4d}',
    '\u{ccd}',
    '\u{d3b}',
    '\u{d3c}',
    '\u{d4d}',
    '\u{dca}',
    '\u{e3a}',
    '\u{eba}',
    '\u{f84}',
    '\u{1039}',
    '\u{103a}',
    '\u{1714}',
    '\u{1734}',
    '\u{17d2}',
    '\u{1a60}',
    '\u{1b44}',
    '\u{1baa}',
    '\u{1bab}',
    '\u{1bf2}',
    '\u{1bf3}',
    '\u{2d7f}',
    '\u{a806}',
    '\u{a82c}',
    '\u{a8c4}',
    '\u{a953}',
    '\u{a9c0}',
    '\u{aaf6}',
    '\u{abed}',
    '\u{10a3f}',
    '\u{11046}',
    '\u{1107f}',
    '\u{110b9}',
    '\u{11133}',
    '\u{11134}',
    '\u{111c0}',
    '\u{11235}',
    '\u{112ea}',
    '\u{1134d}',
    '\u{11442}',
    '\u{114c2}',
    '\u{115bf}',
    '\u{1163f}',
    '\u{116b6}',
    '\u{1172b}',
    '\u{11839}',
    '\u{1193d}',
    '\u{1193e}',
    '\u{119e0}',
    '\u{11a34}',
    '\u{11a47}',
    '\u{11a99}',
    '\u{11c3f}',
    '\u{11d44}',
    '\u{11d45}',
    '\u{11d97}',
];

/// Labels of letters, digits and inner hyphens.
pub(super) fn is_hostname(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// A name that IDNA maps to a host name, and that keeps the rules of RFC 5892 for single characters.
pub(super) fn is_idn_hostname(text: &str) -> bool {
    let Ok(ascii) = idna::domain_to_ascii_strict(text) else { return false };
    let (unicode, _) = idna::domain_to_unicode(&ascii);
    let has_hyphens = unicode.chars().skip(2).take(2).eq(['-', '-']);
    !unicode.contains(DISALLOWED) && !has_hyphens && follows_context_rules(&unicode) && is_hostname(&ascii)
}

fn follows_context_rules(name: &str) -> bool {
    let has =
        |range: std::ops::RangeInclusive<char>| name.contains(|c| c != '\u{30fb}' && range.contains(&c));
    let each = |c: char, is_right: &dyn Fn(&str, &str) -> bool| {
        name.match_indices(c).all(|(at, found)| {
            let (before, after) = (name.get(..at), name.get(at + found.len()..));
            is_right(before.unwrap_or_default(), after.unwrap_or_default())
        })
    };
    let is_hebrew = |c: char| ('\u{590}'..='\u{5ff}').contains(&c);
    let is_greek = |c: char| ('\u{370}'..='\u{3ff}').contains(&c);
    let is_japanese =
        has('\u{3040}'..='\u{309f}') || has('\u{30a0}'..='\u{30ff}') || has('\u{4e00}'..='\u{9fff}');
    // Middle dot, Greek keraia, Hebrew geresh and gershayim, zero-width joiner, katakana middle dot, two kinds of digits.
    each('\u{b7}', &|before, after| before.ends_with('l') && after.starts_with('l'))
        && each('\u{375}', &|_, after| after.starts_with(is_greek))
        && each('\u{5f3}', &|before, _| before.ends_with(is_hebrew))
        && each('\u{5f4}', &|before, _| before.ends_with(is_hebrew))
        && each('\u{200d}', &|before, _| before.ends_with(VIRAMA))
        && (!name.contains('\u{30fb}') || is_japanese)
        && !(has('\u{660}'..='\u{669}') && has('\u{6f0}'..='\u{6f9}'))
}

/// A local part, quoted or not, and a host name or an address in brackets.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = if let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        !quoted.contains(['\\', '"'])
    } else {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&b);
        !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.bytes().all(is_allowed)
    };
    let is_domain = match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => address.parse::<Ipv4Addr>().is_ok(),
        },
        None => is_hostname(domain),
    };
    text.len() <= 254 && local.len() <= 64 && is_local && is_domain
}

/// An address whose parts IDNA maps to ASCII.
pub(super) fn is_idn_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let ascii = idna::domain_to_ascii_strict;
    let (Ok(local), Ok(domain)) = (ascii(local), ascii(domain)) else { return false };
    is_idn_hostname(&domain) && is_email(&format!("{local}@{domain}"))
}
