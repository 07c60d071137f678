//! The words of this dialect: errors and explanations of the registry, which speaks of integrations and their fields,
//! are put into the words and field names that Feather's clients know.

use std::borrow::Cow;

use kernel::{Code, Error};

/// The registry's terms and this dialect's. A term that contains another one stands before it.
const TERMS: [(&str, &str); 9] = [
    ("oauth.authorizationUrl", "oauth_authorize_url"),
    ("oauth.tokenUrl", "oauth_token_url"),
    ("oauth.clientSecret", "oauth_client_secret"),
    ("oauth.clientId", "oauth_client_id"),
    ("oauth.scopes", "oauth_scopes"),
    ("authMode", "auth_type"),
    ("an integration", "a connection"),
    ("integration", "connection"),
    ("the upstream", "the server"),
];

/// Returns one of Postern's sentences in this dialect's words.
pub(super) fn text(sentence: &str) -> String {
    TERMS.iter().fold(sentence.to_owned(), |text, (term, own)| text.replace(term, own))
}

/// Returns an error of the registry in this dialect's words.
pub(super) fn error(mut error: Error) -> Error {
    if error.code == Code::Duplicate {
        return Error::duplicate("a connection with this nickname already exists");
    }
    for reason in &mut error.reasons {
        reason.field = if reason.field == "url" { "server_url".to_owned() } else { text(&reason.field) };
        reason.message = Cow::Owned(text(&reason.message));
    }
    error.message = Cow::Owned(match error.reasons.as_slice() {
        [only] => format!("{} {}", only.field, only.message),
        _ => text(&error.message),
    });
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_fields_of_this_dialect() {
        for (given, expected) in [
            (Error::invalid_field("url", "must be an https URL"), "server_url must be an https URL"),
            (
                Error::invalid_field("oauth.clientSecret", "needs oauth.clientId"),
                "oauth_client_secret needs oauth_client_id",
            ),
            (
                Error::conflict("others are changing this integration: try again"),
                "others are changing this connection: try again",
            ),
            (
                Error::duplicate("an integration with this name already exists"),
                "a connection with this nickname already exists",
            ),
        ] {
            assert_eq!(error(given).message, expected);
        }
        let renamed = error(Error::invalid_field("url", "must be an https URL"));
        assert_eq!(renamed.reasons.first().map(|reason| reason.field.as_str()), Some("server_url"));
    }

    #[test]
    fn explanations_are_in_the_words_of_this_dialect() {
        let given = "the upstream requires authorization (HTTP 401): choose another authMode than \"none\"";
        assert_eq!(
            text(given),
            "the server requires authorization (HTTP 401): choose another auth_type than \"none\""
        );
    }
}
