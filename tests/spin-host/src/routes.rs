//! Which component answers a path: the precedence of Spin's matcher, and its leniency about slashes.

use std::cmp::Ordering;

use anyhow::{Result, ensure};

/// All routes of the application, the most exact route first.
pub(crate) struct Routes(Vec<Route>);

struct Route {
    text: String,
    component: String,
    segments: Vec<Segment>,
}

/// A part of a route. The variants are in the order of precedence.
#[derive(PartialEq, Eq)]
enum Segment {
    Exact(String),
    /// `:name`
    Named(String),
    /// `...` at the end
    Rest,
}

/// The route that matches a path.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) component: String,
    /// The route as the manifest writes it.
    pub(crate) route: String,
    /// The part of the path that a trailing `/...` matches.
    pub(crate) path_info: String,
    /// The part of the path that each `:name` matches.
    pub(crate) captures: Vec<(String, String)>,
}

impl Routes {
    pub(crate) fn new(routes: Vec<(String, String)>) -> Result<Self> {
        let mut parsed: Vec<Route> = Vec::new();
        for (text, component) in routes {
            let text = if text.starts_with('/') { text } else { format!("/{text}") };
            let text = text.strip_suffix('/').unwrap_or(&text).to_owned();
            ensure!(parsed.iter().all(|other| other.text != text), "two triggers have the route {text}");
            let segments = parse(&text)?;
            parsed.push(Route { text, component, segments });
        }
        parsed.sort_by(Route::precedence);
        Ok(Self(parsed))
    }

    pub(crate) fn find(&self, path: &str) -> Option<Match> {
        self.0.iter().find_map(|route| route.find(path))
    }
}

fn parse(route: &str) -> Result<Vec<Segment>> {
    let trimmed = route.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for part in trimmed.split('/') {
        ensure!(segments.last() != Some(&Segment::Rest), "route {route}: ... stands only at the end");
        segments.push(match part.strip_prefix(':') {
            Some(name) => {
                ensure!(
                    !name.is_empty() && !name.contains('.'),
                    "route {route}: {part} is not known to this host"
                );
                Segment::Named(name.to_owned())
            }
            None if matches!(part, "..." | "*") => Segment::Rest,
            None => {
                ensure!(!part.is_empty() && !part.starts_with('*'), "route {route}: bad segment {part:?}");
                Segment::Exact(part.to_owned())
            }
        });
    }
    Ok(segments)
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Named(_) => 1,
            Self::Rest => 2,
        }
    }
}

impl Route {
    /// Orders two routes: the first segment that is more exact decides, then the shorter route.
    fn precedence(&self, other: &Self) -> Ordering {
        let pairs = self.segments.iter().zip(&other.segments);
        let decided = pairs.map(|(mine, theirs)| mine.rank().cmp(&theirs.rank())).find(|order| order.is_ne());
        decided.unwrap_or_else(|| self.segments.len().cmp(&other.segments.len()))
    }

    fn find(&self, path: &str) -> Option<Match> {
        // Slashes at both ends of a path do not count, however many there are.
        let mut rest = path.trim_matches('/');
        let mut captures = Vec::new();
        let mut tail = None;
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                rest = match rest.strip_prefix('/') {
                    Some(rest) => rest,
                    None if rest.is_empty() && *segment == Segment::Rest => rest,
                    None => return None,
                };
            }
            match segment {
                Segment::Exact(text) => rest = rest.strip_prefix(text.as_str())?,
                Segment::Named(_) if rest.is_empty() => return None,
                Segment::Named(name) => {
                    let (value, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                    captures.push((name.clone(), value.to_owned()));
                    rest = after;
                }
                Segment::Rest => tail = Some(std::mem::take(&mut rest)),
            }
        }
        let slash = if path.ends_with('/') { "/" } else { "" };
        let path_info = match tail {
            Some("") => slash.to_owned(),
            Some(tail) => format!("/{tail}{slash}"),
            None => String::new(),
        };
        let found =
            || Match { component: self.component.clone(), route: self.text.clone(), path_info, captures };
        rest.is_empty().then(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(routes: &[&str]) -> Routes {
        let named = routes.iter().map(|route| ((*route).to_owned(), (*route).to_owned()));
        Routes::new(named.collect()).unwrap()
    }

    fn component(routes: &Routes, path: &str) -> Option<String> {
        routes.find(path).map(|found| found.component)
    }

    #[test]
    fn the_more_exact_route_wins() {
        let routes = routes(&["/...", "/api/...", "/api/v1/things", "/api/v1/:kind", "/api/v1/things/..."]);
        for (path, expected) in [
            ("/", "/..."),
            ("/other", "/..."),
            ("/apiary", "/..."),
            ("/api", "/api/..."),
            ("/api/", "/api/..."),
            ("/api/x", "/api/..."),
            ("/api/v1/things", "/api/v1/things"),
            ("/api/v1/others", "/api/v1/:kind"),
            ("/api/v1/things/1", "/api/v1/things/..."),
            ("/api/v1/others/1", "/api/..."),
            ("//api/v1/things//", "/api/v1/things"),
        ] {
            assert_eq!(component(&routes, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn an_unknown_path_has_no_component() {
        let routes = routes(&["/mcp", "/integrations/:id/mcp"]);
        assert!(component(&routes, "/").is_none());
        assert!(component(&routes, "/mcp/x").is_none());
        assert!(component(&routes, "/integrations/mcp").is_none());
        assert!(component(&routes, "/integrations/a/b/mcp").is_none());
        assert_eq!(routes.find("/integrations/a/mcp").unwrap().captures, [("id".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn path_info_is_what_follows() {
        let routes = routes(&["/a/..."]);
        for (path, expected) in [("/a", ""), ("/a/", "/"), ("/a/b", "/b"), ("/a/b/", "/b/")] {
            assert_eq!(routes.find(path).unwrap().path_info, expected, "{path}");
        }
    }

    #[test]
    fn longer_literals_win_over_shorter_ones() {
        let routes = routes(&["/:a/:b/...", "/x/...", "/:a/y/z", "/x/:b/z", "/.well-known/...", "/"]);
        for (path, expected) in [
            ("/", Some("")),
            ("/x/y/z", Some("/x/:b/z")),
            ("/x/y/q", Some("/x/...")),
            ("/w/y/z", Some("/:a/y/z")),
            ("/w/y/q", Some("/:a/:b/...")),
            ("/w/y", Some("/:a/:b/...")),
            ("/w", None),
            ("/.well-known/oauth", Some("/.well-known/...")),
        ] {
            let found = routes.find(path).map(|found| found.route);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn bad_routes_are_refused() {
        for route in ["/a/.../b", "/:", "/a/*b", "/a//b", "/:name.json"] {
            assert!(Routes::new(vec![(route.into(), "x".into())]).is_err(), "{route}");
        }
    }

    #[test]
    fn a_route_stands_once() {
        assert!(Routes::new(vec![("/a".into(), "x".into()), ("/a".into(), "y".into())]).is_err());
    }
}
