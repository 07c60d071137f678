//! Tests that the default policy refuses every hostile URL of the corpus and accepts every ordinary one.

use std::collections::{BTreeMap, HashSet};

use kernel::net::{Policy, SafeUrl};

use crate::corpus;

fn parse(url: &str, policy: Policy) -> Result<SafeUrl, kernel::net::UnsafeUrl> {
    SafeUrl::parse(url, policy)
}

#[test]
fn every_hostile_url_is_refused() {
    let forms = corpus::hostile();
    let distinct: HashSet<&str> = forms.iter().map(|form| form.url.as_str()).collect();
    assert_eq!(distinct.len(), forms.len());
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut passed = Vec::new();
    for form in &forms {
        *classes.entry(form.class).or_default() += 1;
        if let Ok(url) = parse(&form.url, Policy::default()) {
            passed.push(format!("{}: {:?} as {}", form.class, form.url, url.as_str()));
        }
    }
    assert!(passed.is_empty(), "{} were accepted:\n{}", passed.len(), passed.join("\n"));
    assert!(forms.len() >= 300 && classes.len() >= 30, "{} forms, {} classes", forms.len(), classes.len());
    println!("{} hostile forms of {} classes: {classes:?}", forms.len(), classes.len());
}

#[test]
fn every_ordinary_url_is_accepted() {
    let forms = corpus::ordinary();
    let distinct: HashSet<&str> = forms.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), forms.len());
    assert!(forms.len() >= 100);
    for form in &forms {
        let url = parse(form, Policy::default()).unwrap_or_else(|why| panic!("{form}: {why}"));
        let again = parse(url.as_str(), Policy::default());
        assert_eq!(again.as_ref(), Ok(&url), "the normal form of {form} changes when it is parsed");
    }
    println!("{} ordinary forms", forms.len());
}

/// With `allow_loopback`, URLs of loopback hosts are accepted, but none that is hostile by its shape.
#[test]
fn allow_loopback_admits_loopback_hosts_only() {
    for form in corpus::hostile() {
        if let Ok(url) = parse(&form.url, Policy { allow_loopback: true }) {
            let host = url.as_url().host_str().unwrap();
            let is_loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
            assert!(is_loopback, "{form:?}");
            assert!(
                !form.class.starts_with("user information") && !form.class.starts_with("white"),
                "{form:?}"
            );
        }
    }
}
