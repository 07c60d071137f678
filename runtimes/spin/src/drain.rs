//! Reads what a handler leaves unread of a request's body.
//!
//! Whoever answers before a body's end (413, 401, …) and lets go of it has the connection closed on unread bytes. That
//! resets it, and a client that is still sending never sees the answer (RFC 9112, section 9.6).

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use shared::platform::{BodyStream, FetchError};

/// How many bytes are read for the sake of the answer; whoever sends more loses it.
const DRAINED: usize = 16 * 1024 * 1024;

/// The body, which on being dropped early is read to its end, or for 16 MiB, after the response.
pub(crate) fn drained(body: BodyStream) -> BodyStream {
    Drained { body, ended: false }.boxed_local()
}

struct Drained {
    body: BodyStream,
    ended: bool,
}

impl Stream for Drained {
    type Item = Result<Bytes, FetchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.body.poll_next_unpin(cx);
        self.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if !self.ended {
            spin_sdk::wasip3::spawn(drain(mem::replace(&mut self.body, stream::empty().boxed_local())));
        }
    }
}

async fn drain(mut rest: BodyStream) {
    let mut left = DRAINED;
    while left > 0
        && let Some(Ok(chunk)) = rest.next().await
    {
        left = left.saturating_sub(chunk.len());
    }
}
