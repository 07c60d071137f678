//! Message bodies, whole or streamed.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use crate::platform::{BodyStream, FetchError};
use crate::{Code, Error, Result};

/// Request bodies announced to be longer than this are streamed, so that the router can stop reading at its limit.
pub const LONGEST_WHOLE: u64 = 4 * 1024 * 1024;

/// The length that `Content-Length` announces.
pub fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A request's or a response's body.
pub enum Body {
    /// No body.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// Chunk by chunk.
    Stream(BodyStream),
}

impl Body {
    /// Reads the whole body; more than `limit` bytes is [`Code::TooLarge`].
    pub async fn collect(self, limit: usize) -> Result<Bytes> {
        let too_large =
            || Error::new(Code::TooLarge, format!("the request body is larger than {limit} bytes"));
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Whole(bytes) if bytes.len() > limit => Err(too_large()),
            Self::Whole(bytes) => Ok(bytes),
            Self::Stream(mut stream) => {
                let mut whole = BytesMut::new();
                while let Some(chunk) = stream.next().await {
                    let chunk = chunk.map_err(|error: FetchError| {
                        Error::invalid("the request body broke off").with_internal(error.to_string())
                    })?;
                    if whole.len() + chunk.len() > limit {
                        return Err(too_large());
                    }
                    whole.extend_from_slice(&chunk);
                }
                Ok(whole.freeze())
            }
        }
    }
}

impl Body {
    /// A body that could not be received: reading it fails, and the router says so in the route's dialect.
    pub fn broken(reason: impl Into<String>) -> Self {
        let error = FetchError::Broken(reason.into());
        Self::Stream(futures_util::stream::iter([Err(error)]).boxed_local())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}
