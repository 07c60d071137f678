//! Finds paths in tokens that have no syntax of their own: the arguments of macros and attributes.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::Lit;
use syn::ext::IdentExt as _;

/// A path and where the path begins.
pub(super) struct Written {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// All paths in `tokens`. A lone name counts only if the name begins with a capital letter (a type or a constant), as
/// any other may be a variable or a field.
pub(super) fn paths(tokens: TokenStream) -> Vec<Written> {
    let mut found = Vec::new();
    scan(tokens, &mut found);
    found.retain(|written| match written.path.as_slice() {
        [name] => name.starts_with(char::is_uppercase),
        _ => true,
    });
    found
}

/// All paths in the arguments of an attribute, also those that are written as text: `with = "crate::time::seconds"`.
pub(super) fn paths_in_attribute(tokens: TokenStream) -> Vec<Written> {
    let mut found = Vec::new();
    scan(tokens.clone(), &mut found);
    texts(tokens, &mut found);
    // Names of derives and of options stand alone.
    found.retain(|written| written.path.len() > 1);
    found
}

fn scan(tokens: TokenStream, found: &mut Vec<Written>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    loop {
        rest = match rest {
            [] => return,
            [TokenTree::Ident(first), after @ ..] => {
                let (path, after) = names(first, after);
                found.push(Written { path, line: first.span().start().line });
                after
            }
            // What a macro's parameter stands for is not known here.
            [mark, TokenTree::Ident(name), after @ ..] if is(mark, '$') && name != "crate" => {
                names(name, after).1
            }
            // `::name` begins outside the crate; `<T>::name` belongs to a type.
            [one, two, TokenTree::Ident(name), after @ ..] if is(one, ':') && is(two, ':') => {
                names(name, after).1
            }
            [TokenTree::Group(group), after @ ..] => {
                scan(group.stream(), found);
                after
            }
            [_, after @ ..] => after,
        };
    }
}

/// The path that begins with `first`, and the tokens after the path.
fn names<'tokens>(first: &Ident, mut rest: &'tokens [TokenTree]) -> (Vec<String>, &'tokens [TokenTree]) {
    let mut path = vec![first.unraw().to_string()];
    while let [one, two, TokenTree::Ident(name), after @ ..] = rest
        && is(one, ':')
        && is(two, ':')
    {
        path.push(name.unraw().to_string());
        rest = after;
    }
    (path, rest)
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn texts(tokens: TokenStream, found: &mut Vec<Written>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => texts(group.stream(), found),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                if let Lit::Str(text) = Lit::new(literal)
                    && let Ok(path) = text.parse::<syn::Path>()
                    && path.leading_colon.is_none()
                {
                    let path =
                        path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
                    found.push(Written { path, line });
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}
