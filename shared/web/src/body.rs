//! The bodies of requests and responses, whole or streamed.

use std::mem;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use kernel::Error;
use kernel::ports::{BodyStream, FetchError};

use crate::failure::Failure;

/// Runtimes stream a request body whose `Content-Length` is larger than this, in bytes, or missing: the router reads a
/// stream only once the caller is known, and up to the route's limit. What is read before is bounded by this, whoever
/// sends it.
pub const LONGEST_WHOLE: u64 = 64 * 1024;

/// Most bytes of a refused request's body that are read so that the client receives the answer. A client that sends
/// more may lose the answer.
const DRAINED: usize = 16 * 1024 * 1024;

/// A request's or a response's body.
pub enum Body {
    /// No body.
    Empty,
    /// The whole body.
    Whole(Bytes),
    /// The body chunk by chunk, as it arrives.
    Stream(BodyStream),
}

impl Body {
    /// Reads the whole body. Fails if the body breaks off, and with [`Failure::TooLarge`] if it has more than `limit`
    /// bytes; the rest then stays unread.
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, Failure> {
        let too_large = || Failure::TooLarge { limit };
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Whole(bytes) if bytes.len() > limit => Err(too_large()),
            Self::Whole(bytes) => Ok(mem::take(bytes)),
            Self::Stream(stream) => {
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
                *self = Self::Empty;
                Ok(whole.freeze())
            }
        }
    }

    /// Reads the unread rest of a refused request's body, up to 16 MiB.
    ///
    /// If the connection closes while bytes are unread, it is reset, and a client that is still sending may never see
    /// the answer (RFC 9112 §9.6).
    pub(crate) async fn drain(self) {
        let Self::Stream(mut rest) = self else { return };
        let mut left = DRAINED;
        while left > 0
            && let Some(Ok(chunk)) = rest.next().await
        {
            left = left.saturating_sub(chunk.len());
        }
    }
}

impl Body {
    /// Returns a body whose reading fails, for a request whose body could not be received: the router then answers in
    /// the route's dialect.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures_util::{FutureExt as _, stream};

    use super::*;

    const CHUNK: usize = 1024 * 1024;

    /// Returns a body of `chunks` mebibytes, and a counter of the chunks that were read.
    fn body(chunks: usize) -> (Body, Rc<Cell<usize>>) {
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let chunks = (0..chunks).map(move |_| {
            count.set(count.get() + 1);
            Ok(Bytes::from(vec![0; CHUNK]))
        });
        (Body::Stream(stream::iter(chunks).boxed_local()), read)
    }

    #[test]
    fn a_refused_body_is_read_to_its_end_or_up_to_a_limit() {
        for (chunks, expected) in [(0, 0), (1, 1), (2, 2), (10, 10), (1_000, 2 + DRAINED / CHUNK)] {
            let (mut body, read) = body(chunks);
            let collected = body.collect(CHUNK).now_or_never().expect("nothing to wait for");
            assert_eq!(collected.is_err(), chunks > 1);
            body.drain().now_or_never().expect("nothing to wait for");
            assert_eq!(read.get(), expected, "{chunks}");
        }
    }

    #[test]
    fn a_body_is_empty_after_it_was_collected() {
        let (mut body, _) = body(2);
        assert_eq!(body.collect(2 * CHUNK).now_or_never().unwrap().unwrap().len(), 2 * CHUNK);
        assert!(matches!(body, Body::Empty));
    }
}
