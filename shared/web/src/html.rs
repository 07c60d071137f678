//! The few pages that people see: plain, escaped, under a policy that lets a browser load and run nothing.

use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::answer::{Html, with_type};
use crate::request::Response;

const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What stands below a page's text.
pub enum Action<'a> {
    /// Nothing.
    None,
    /// A form without fields but hidden ones, sent by POST.
    Form {
        /// Where to.
        path: &'a str,
        /// Its hidden field.
        field: (&'a str, &'a str),
        /// What the button says.
        label: &'a str,
    },
    /// A link that the browser also follows by itself.
    GoTo {
        /// Where to.
        url: &'a str,
        /// What the link says.
        label: &'a str,
    },
}

/// A page. Every text is escaped here.
pub fn page(status: StatusCode, title: &str, text: &str, action: &Action<'_>) -> Response {
    let escape = html_escape::encode_quoted_attribute::<str>;
    let (mut head, mut body) = (String::new(), String::new());
    match action {
        Action::None => {}
        Action::Form { path, field: (name, value), label } => {
            body = format!(
                "<form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"{}\" value=\"{}\"><button>{}</button></form>",
                escape(path),
                escape(name),
                escape(value),
                escape(label)
            );
        }
        Action::GoTo { url, label } => {
            head = format!("<meta http-equiv=\"refresh\" content=\"0;url={}\">", escape(url));
            body = format!("<p><a href=\"{}\" rel=\"noreferrer\">{}</a></p>", escape(url), escape(label));
        }
    }
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>{head}</head>\
         <body><h1>{title}</h1><p>{}</p>{body}</body></html>\n",
        escape(text),
        title = escape(title),
    );
    let mut response = with_type(status, "text/html; charset=utf-8", html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The page at the end of an authorization that was completed.
pub fn connected(status: StatusCode) -> Html {
    let text = "The connection is stored. You can close this window and go on where you came from.";
    Html(page(status, "Connected", text, &Action::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let evil = "\"><script>alert('x')</script>&";
        for action in [
            Action::None,
            Action::Form { path: evil, field: (evil, evil), label: evil },
            Action::GoTo { url: evil, label: evil },
        ] {
            let response = page(StatusCode::BAD_REQUEST, evil, evil, &action);
            assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
            let Body::Whole(html) = response.into_body() else { panic!("no body") };
            let html = String::from_utf8(html.to_vec()).unwrap();
            assert!(!html.contains("<script") && !html.contains("\"\">"), "{html}");
        }
    }
}
