//! Templates `{{ name }}` in values of the manifest.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// `text` with every `{{ name }}` replaced by its value.
pub(crate) fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((literal, expression)) = rest.split_once("{{") {
        let (name, after) = expression.split_once("}}").context("unmatched '{{' in template")?;
        let name = name.trim();
        filled.push_str(literal);
        filled.push_str(values.get(name).with_context(|| format!("no variable is named {name}"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_values() {
        let values =
            BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "{{ a }}".to_owned())]);
        assert_eq!(fill("plain }} text", &values).unwrap(), "plain }} text");
        assert_eq!(fill("{{a}}-{{ a }}", &values).unwrap(), "1-1");
        assert_eq!(fill("{{ b }}", &values).unwrap(), "{{ a }}", "a value is not a template");
        assert!(fill("{{ a", &values).is_err());
        assert!(fill("{{ c }}", &values).is_err());
    }
}
