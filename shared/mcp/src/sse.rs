//! Reads and writes server-sent events (WHATWG HTML §9.2), with the parser that `rmcp` uses.

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::value::RawValue;
use sse_stream::{Sse, SseByteStream};

use super::message::Message;
use kernel::ports::{BodyStream, FetchError};

/// A stream of the events' data; events without data (comments, `retry`, priming events) are left out.
pub type EventStream = LocalBoxStream<'static, Result<String, FetchError>>;

/// Returns the data of a body's events, as the events arrive.
pub fn events(body: BodyStream) -> EventStream {
    named_events(body).map_ok(|(_, data)| data).boxed_local()
}

/// Returns name and data of a body's events, as the events arrive.
pub fn named_events(
    body: BodyStream,
) -> LocalBoxStream<'static, Result<(Option<String>, String), FetchError>> {
    let data = |event: Sse| async move {
        let name = event.event;
        Ok(event.data.filter(|data| !data.is_empty()).map(|data| (name, data)))
    };
    SseByteStream::new(body)
        .map_err(|error| match error {
            sse_stream::Error::Body(inner) => match inner.downcast::<FetchError>() {
                Ok(error) => *error,
                Err(other) => FetchError::Broken(other.to_string()),
            },
            other => FetchError::Broken(other.to_string()),
        })
        .try_filter_map(data)
        .boxed_local()
}

/// Returns the bytes of one `message` event.
pub fn encode(json: &str) -> Bytes {
    // Encoding cannot fail: the event's name is valid, and the event has no id.
    Sse::default().event("message").data(json).encode().unwrap_or_default()
}

/// Reads events up to the response to `id` and returns its text; `None` if the stream ends before.
pub async fn response_to(mut events: EventStream, id: &RawValue) -> Result<Option<String>, FetchError> {
    while let Some(data) = events.next().await.transpose()? {
        let is_it = Message::parse(&data).is_ok_and(|message| {
            message.is_response() && message.id.is_some_and(|found| found.get() == id.get())
        });
        if is_it {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read(chunks: &[&'static str]) -> Vec<Result<String, FetchError>> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        events(stream::iter(chunks).boxed_local()).collect().await
    }

    #[test]
    fn events_are_read_whole_for_every_cut_between_chunks_and_every_line_ending() {
        futures_util::FutureExt::now_or_never(async {
            let whole = ": keep-alive\r\n\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 1\ndata:\n\ndata: x\n\n";
            let expected = vec![Ok("{\"a\":\n1}".to_owned()), Ok("x".to_owned())];
            assert_eq!(read(&[whole]).await, expected);
            for cut in 0..whole.len() {
                let (head, tail) = whole.split_at(cut);
                assert_eq!(read(&[head, tail]).await, expected, "cut at {cut}");
            }
        })
        .unwrap();
    }

    #[test]
    fn an_encoded_event_is_read_back_unchanged() {
        futures_util::FutureExt::now_or_never(async {
            let json = "{\n  \"a\": 1\n}";
            let encoded = encode(json);
            let body = stream::iter([Ok(encoded)]).boxed_local();
            assert_eq!(events(body).next().await, Some(Ok(json.to_owned())));
        })
        .unwrap();
    }

    #[test]
    fn an_error_of_the_body_is_returned_unchanged() {
        futures_util::FutureExt::now_or_never(async {
            let body = stream::iter([Ok(Bytes::from_static(b"data: x\n\n")), Err(FetchError::Timeout)])
                .boxed_local();
            let all: Vec<_> = events(body).collect().await;
            assert_eq!(all, [Ok("x".to_owned()), Err(FetchError::Timeout)]);
        })
        .unwrap();
    }
}
