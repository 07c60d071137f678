//! Personas: named sets of rules that a caller's roles select. Declared in the `PERSONAS` setting; `admin` is built in.

use std::rc::Rc;

use serde::Deserialize;

use super::glob::Glob;

/// The name of the built-in persona with every right, and of the role that selects it.
pub const ADMIN: &str = "admin";

/// A set of rules for callers with certain roles. A deny pattern wins over an allow pattern; a tool that no pattern
/// allows is denied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The unique name, shown in audit rows.
    pub name: String,
    /// The roles that select this persona.
    pub roles: Vec<String>,
    /// Patterns over exposed tool names (`<slug>__<tool>`).
    #[serde(default)]
    pub allow_tools: Vec<Glob>,
    /// Patterns that take precedence over `allow_tools`.
    #[serde(default)]
    pub deny_tools: Vec<Glob>,
    /// Patterns over slugs.
    #[serde(default)]
    pub allow_connections: Vec<Glob>,
    /// Patterns that take precedence over `allow_connections`.
    #[serde(default)]
    pub deny_connections: Vec<Glob>,
    /// If a caller's roles select several personas, the one with the highest priority applies, and of equal ones the
    /// one whose name sorts first.
    #[serde(default)]
    pub priority: i32,
    /// `true` for the built-in `admin` only: allows every tool, every connection and every management route.
    #[serde(skip)]
    pub unrestricted: bool,
}

/// All personas of a deployment.
#[derive(Clone, Debug)]
pub struct Personas(Vec<Rc<Persona>>);

impl Personas {
    /// Reads the setting `PERSONAS`, a JSON array. Fails if the JSON is malformed, or if a name is empty or not unique.
    pub fn parse(json: &str) -> Result<Self, String> {
        let declared: Vec<Persona> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let mut personas = vec![Rc::new(Persona {
            name: ADMIN.to_owned(),
            roles: vec![ADMIN.to_owned()],
            allow_tools: Vec::new(),
            deny_tools: Vec::new(),
            allow_connections: Vec::new(),
            deny_connections: Vec::new(),
            priority: i32::MAX,
            unrestricted: true,
        })];
        for persona in declared {
            if persona.name.trim().is_empty() {
                return Err("every persona needs a name".to_owned());
            }
            if personas.iter().any(|known| known.name == persona.name) {
                return Err(format!("persona \"{}\" is declared twice or built in", persona.name));
            }
            personas.push(Rc::new(persona));
        }
        Ok(Self(personas))
    }

    /// Returns the persona of this name.
    pub fn named(&self, name: &str) -> Option<Rc<Persona>> {
        self.0.iter().find(|persona| persona.name == name).cloned()
    }

    /// Returns `true` if `role` selects a persona.
    pub fn knows_role(&self, role: &str) -> bool {
        self.0.iter().any(|persona| persona.roles.iter().any(|known| known == role))
    }

    /// Returns the persona of a caller with `roles`; `None` means that every tool is denied.
    pub fn resolve(&self, roles: &[String]) -> Option<Rc<Persona>> {
        self.0
            .iter()
            .filter(|persona| persona.roles.iter().any(|role| roles.contains(role)))
            .max_by(|a, b| a.priority.cmp(&b.priority).then_with(|| b.name.cmp(&a.name)))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(personas: &str, roles: &[&str]) -> Option<String> {
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        Personas::parse(personas).unwrap().resolve(&roles).map(|persona| persona.name.clone())
    }

    #[test]
    fn the_highest_priority_wins_and_ties_break_by_name() {
        let personas = r#"[{"name":"b","roles":["dev"],"priority":1},{"name":"a","roles":["dev"],"priority":1},
                           {"name":"c","roles":["dev"]}]"#;
        assert_eq!(resolve(personas, &["dev"]).as_deref(), Some("a"));
        assert_eq!(resolve(personas, &["dev", "admin"]).as_deref(), Some("admin"));
        assert_eq!(resolve(personas, &["ops"]), None);
        assert_eq!(resolve(personas, &[]), None);
    }

    #[test]
    fn declarations_that_would_fail_open_are_refused() {
        for bad in [
            r#"[{"name":"admin","roles":["x"]}]"#,
            r#"[{"name":"a","roles":[]},{"name":"a","roles":[]}]"#,
            r#"[{"name":" ","roles":[]}]"#,
            r#"[{"name":"a","roles":["x"],"deny_tools":["["]}]"#,
            r#"[{"name":"a","roles":["x"],"unrestricted":true}]"#,
        ] {
            assert!(Personas::parse(bad).is_err(), "{bad}");
        }
    }
}
