//! Which component answers a path. The matcher is the very crate that Spin uses.

use anyhow::{Result, anyhow, ensure};
use routefinder::Router;

/// All routes of the application.
pub(crate) struct Routes(Router<Target>);

struct Target {
    route: String,
    component: String,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) component: String,
    /// As the manifest has it.
    pub(crate) route: String,
    /// What a trailing `/...` stands for.
    pub(crate) path_info: String,
    /// What each `:name` stands for.
    pub(crate) captures: Vec<(String, String)>,
}

impl Routes {
    pub(crate) fn new(routes: Vec<(String, String)>) -> Result<Self> {
        let mut router = Router::new();
        let mut known = Vec::new();
        for (route, component) in routes {
            ensure!(!known.contains(&route), "two triggers have the route {route}");
            known.push(route.clone());
            let absolute = if route.starts_with('/') { route.clone() } else { format!("/{route}") };
            let based = absolute.strip_suffix('/').unwrap_or(&absolute).to_owned();
            let pattern = match based.strip_suffix("/...") {
                Some(prefix) => format!("{prefix}/*"),
                None => based.clone(),
            };
            let target = Target { route: based, component };
            router.add(pattern, target).map_err(|error| anyhow!("route {route}: {error}"))?;
        }
        Ok(Self(router))
    }

    pub(crate) fn find(&self, path: &str) -> Option<Match> {
        let found = self.0.best_match(path)?;
        let captures = found.captures();
        // Spin keeps a trailing slash, the matcher does not.
        let slash = if path.ends_with('/') { "/" } else { "" };
        let path_info = match captures.wildcard() {
            Some("") => slash.to_owned(),
            Some(rest) => format!("/{rest}{slash}"),
            None => String::new(),
        };
        Some(Match {
            component: found.handler().component.clone(),
            route: found.handler().route.clone(),
            path_info,
            captures: captures.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
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
    fn a_route_stands_once() {
        assert!(Routes::new(vec![("/a".into(), "x".into()), ("/a".into(), "y".into())]).is_err());
    }
}
