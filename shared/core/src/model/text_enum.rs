//! A macro for enums whose variants are words: in JSON, in the database and in the OpenAPI document.

/// Declares an enum whose variants have one text form each, in JSON and in the database. `$text` is a `tt`, because a
/// `literal` would be opaque to the derives that read `rename`.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$doc])*
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The text form, in JSON and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = kernel::Error;
            fn from_str(text: &str) -> kernel::Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(kernel::Error::internal(format!("unknown {} {other:?}", stringify!($name)))),
                }
            }
        }
    };
}
pub(crate) use text_enum;
