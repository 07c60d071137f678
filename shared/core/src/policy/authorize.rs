//! Decides whether a persona may use a tool or an integration. Lists and calls ask the same function, so that they
//! cannot differ.

use super::glob::Glob;
use super::persona::Persona;

/// The kind of rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An allow pattern matched.
    Allow,
    /// A deny pattern matched.
    Deny,
    /// No pattern matched, or the caller has no persona.
    Default,
}

/// A decision, with the rule that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the tool may be listed and called.
    pub allowed: bool,
    /// The kind of rule that decided.
    pub source: Source,
    /// The pattern that matched; empty for `Source::Default`.
    pub matched_pattern: String,
}

/// Decides whether `persona` may use `tool` of the integration `slug`. `tool` is the upstream's own name of the tool;
/// patterns are matched against the exposed name, `<slug>__<tool>`, on every endpoint.
///
/// 1. No persona: denied. 2. The built-in persona `admin`: allowed. 3. A deny pattern of connections or tools matches:
///    denied. 4. An allow pattern of each matches: allowed. 5. Otherwise denied.
pub fn authorize(persona: Option<&Persona>, slug: &str, tool: &str) -> Decision {
    let Some(persona) = persona else {
        return decision(false, Source::Default, None);
    };
    if persona.unrestricted {
        return decision(true, Source::Allow, None);
    }
    let exposed = format!("{slug}__{tool}");
    let denied = first(&persona.deny_connections, slug).or_else(|| first(&persona.deny_tools, &exposed));
    if denied.is_some() {
        return decision(false, Source::Deny, denied);
    }
    match (first(&persona.allow_connections, slug), first(&persona.allow_tools, &exposed)) {
        (Some(_), tool @ Some(_)) => decision(true, Source::Allow, tool),
        _ => decision(false, Source::Default, None),
    }
}

/// Returns `true` if `persona` may use the integration `slug` at all. A caller with another persona must see the
/// integration as if it did not exist.
pub fn authorize_connection(persona: Option<&Persona>, slug: &str) -> bool {
    persona.is_some_and(|persona| {
        persona.unrestricted
            || first(&persona.deny_connections, slug).is_none()
                && first(&persona.allow_connections, slug).is_some()
    })
}

fn first<'a>(patterns: &'a [Glob], text: &str) -> Option<&'a Glob> {
    patterns.iter().find(|pattern| pattern.matches(text))
}

fn decision(allowed: bool, source: Source, pattern: Option<&Glob>) -> Decision {
    Decision {
        allowed,
        source,
        matched_pattern: pattern.map_or_else(String::new, |glob| glob.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::persona::Personas;
    use super::*;

    fn decide(persona: &str, slug: &str, tool: &str) -> (bool, Source, String) {
        let personas = Personas::parse(&format!(r#"[{{"name":"p","roles":["r"],{persona}}}]"#)).unwrap();
        let decision = authorize(personas.resolve(&["r".to_owned()]).as_deref(), slug, tool);
        (decision.allowed, decision.source, decision.matched_pattern)
    }

    #[test]
    fn deny_wins_and_the_default_is_denial() {
        let persona = r#""allow_tools":["vendor__*"],"deny_tools":["*__delete_*"],"allow_connections":["*"]"#;
        assert_eq!(decide(persona, "vendor", "get"), (true, Source::Allow, "vendor__*".into()));
        assert_eq!(decide(persona, "vendor", "delete_all"), (false, Source::Deny, "*__delete_*".into()));
        assert_eq!(decide(persona, "other", "get"), (false, Source::Default, String::new()));
        assert!(!decide(r#""allow_tools":["*"]"#, "vendor", "get").0, "no connection allowed");
        assert!(!decide(r#""allow_connections":["*"]"#, "vendor", "get").0, "no tool allowed");
        let persona = r#""allow_tools":["*"],"allow_connections":["*"],"deny_connections":["vendor"]"#;
        assert_eq!(decide(persona, "vendor", "get"), (false, Source::Deny, "vendor".into()));
    }

    #[test]
    fn without_a_persona_every_tool_is_denied_and_admin_may_use_every_tool() {
        assert!(!authorize(None, "vendor", "get").allowed);
        let admin = Personas::parse("[]").unwrap().resolve(&["admin".to_owned()]);
        assert!(authorize(admin.as_deref(), "vendor", "odd/name").allowed);
    }
}
