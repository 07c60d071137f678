//! Texts that peers choose, made short enough to be kept.

use std::borrow::Cow;

/// Returns `text` if it has at most `most` characters, else its first `most` characters and a marker with the number
/// of characters that it had.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            Cow::Owned(format!("{kept}…[CUT: {} characters]", text.chars().count()))
        }
    }
}

/// Cuts `text` as [`cut`] does, without a copy of a text that is short enough.
pub fn cut_owned(text: String, most: usize) -> String {
    let shorter = match cut(&text, most) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shorter) => Some(shorter),
    };
    shorter.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…[CUT: 4 characters]");
        assert_eq!(cut_owned("abc".to_owned(), 2), "ab…[CUT: 3 characters]");
        assert_eq!(cut("", 0), "");
    }
}
