//! HTML pages for people: all texts are escaped, and the content security policy lets a browser load and run nothing.

use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::answer::{Html, with_type};
use crate::request::Response;

const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The form or link below a page's text.
pub enum Action<'a> {
    /// Neither a form nor a link.
    None,
    /// A form with one hidden field and a button, sent by POST.
    Form {
        /// The path that the form is sent to.
        path: &'a str,
        /// The hidden field: its name and value.
        field: (&'a str, &'a str),
        /// The text of the button.
        label: &'a str,
    },
    /// A form with one hidden field and two buttons that send the form to different paths.
    Choice {
        /// The hidden field: its name and value.
        field: (&'a str, &'a str),
        /// The first button: the path and the text.
        yes: (&'a str, &'a str),
        /// The second button: the path and the text.
        no: (&'a str, &'a str),
    },
    /// A link that the browser also follows without a click.
    GoTo {
        /// The URL that the link leads to.
        url: &'a str,
        /// The text of the link.
        label: &'a str,
    },
}

/// Returns a page. All texts are escaped here.
pub fn page(status: StatusCode, title: &str, text: &str, action: &Action<'_>) -> Response {
    let escape = html_escape::encode_quoted_attribute::<str>;
    let (mut head, mut body) = (String::new(), String::new());
    match action {
        Action::None => {}
        Action::Form { path, field, label } => {
            body = form(path, *field, &format!("<button>{}</button>", escape(label)));
        }
        Action::Choice { field, yes: (path, label), no: (other_path, other_label) } => {
            let buttons = format!(
                "<button>{}</button> <button formaction=\"{}\">{}</button>",
                escape(label),
                escape(other_path),
                escape(other_label)
            );
            body = form(path, *field, &buttons);
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
    // Not `no-referrer`: a browser would then send `Origin: null` with a form of the page.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Returns a form that is sent by POST, with one hidden field. `buttons` is markup.
fn form(path: &str, (name, value): (&str, &str), buttons: &str) -> String {
    let escape = html_escape::encode_quoted_attribute::<str>;
    format!(
        "<form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"{}\" value=\"{}\">{buttons}</form>",
        escape(path),
        escape(name),
        escape(value)
    )
}

/// Returns the page at the end of a completed authorization. `what` says who is connected to what, if that is known.
pub fn connected(what: Option<&str>) -> Html {
    let what = what.unwrap_or("The connection is stored.");
    let text = format!("{what} You can close this window and go on where you came from.");
    Html(page(StatusCode::OK, "Connected", &text, &Action::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    #[test]
    fn a_form_of_a_page_is_sent_with_the_pages_origin() {
        let form = Action::Form { path: "/oauth/connect", field: ("ticket", "t"), label: "Connect" };
        let response = page(StatusCode::OK, "Connect", "text", &form);
        assert_eq!(response.headers().get(REFERRER_POLICY).unwrap(), "same-origin");
    }

    #[test]
    fn no_text_adds_markup_to_a_page() {
        let evil = "\"><script>alert('x')</script>&";
        for action in [
            Action::None,
            Action::Form { path: evil, field: (evil, evil), label: evil },
            Action::Choice { field: (evil, evil), yes: (evil, evil), no: (evil, evil) },
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
