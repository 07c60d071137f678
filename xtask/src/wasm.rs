//! WebAssembly modules as files: removes the names of their functions.

use anyhow::{Context, Result, ensure};

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;

/// Returns `module` without its section of names, which only backtraces use.
pub(crate) fn without_names(module: &[u8]) -> Result<Vec<u8>> {
    let mut rest = module.strip_prefix(HEADER).context("not a WebAssembly module")?;
    let mut kept = HEADER.to_vec();
    while let Some((id, body)) = rest.split_first() {
        let (length, body) = number(body)?;
        let (body, next) = body.split_at_checked(length).context("a section that is cut off")?;
        if *id != CUSTOM || custom_name(body)? != b"name" {
            kept.extend(rest.iter().take(rest.len() - next.len()));
        }
        rest = next;
    }
    ensure!(kept.len() > HEADER.len(), "an empty module");
    Ok(kept)
}

fn custom_name(section: &[u8]) -> Result<&[u8]> {
    let (length, rest) = number(section)?;
    rest.get(..length).context("a custom section without a name")
}

/// Splits an unsigned number in LEB128 from the rest.
fn number(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0).context("not a number in LEB128")?;
    let (digits, rest) = bytes.split_at(end + 1);
    let number = digits.iter().rev().fold(0_u64, |number, byte| (number << 7) | u64::from(byte & 0x7f));
    Ok((usize::try_from(number)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_of_names_is_removed() {
        let custom = |name: &str, content: &[u8]| {
            let body = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), content].concat();
            [&[0, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
        };
        let types = [1, 0x84, 0x80, 0, 1, 0x60, 0, 0];
        let named = [HEADER, &types, &custom("name", &[1, 2, 3]), &custom("target_features", &[0])].concat();
        let bare = [HEADER, &types, &custom("target_features", &[0])].concat();
        assert_eq!(without_names(&named).unwrap(), bare);
        assert_eq!(without_names(&bare).unwrap(), bare);
        for broken in [b"\0asm".as_slice(), b"", &named[..named.len() - 1], &[HEADER, &[1, 0x80]].concat()] {
            assert!(without_names(broken).is_err(), "{broken:?}");
        }
    }
}
