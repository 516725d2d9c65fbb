//! Server-Sent Events as bytes (WHATWG HTML, section 9.2).

use bytes::Bytes;
use contracts::{Reset, TraceParent};

/// One event of the stream before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// `event:`; `None` for what a plain `onmessage` is to get.
    pub name: Option<&'a str>,
    /// `id:`; only events of the log have one.
    pub id: Option<&'a str>,
    /// `data:`, one line of JSON.
    pub json: &'a [u8],
    /// A trace that somebody asked to record: goes along as a comment.
    pub trace: Option<TraceParent>,
}

impl Event<'_> {
    /// The block with its blank line; for `html`, every string in it is HTML-escaped.
    pub fn frame(&self, html: bool) -> Bytes {
        let mut frame = Vec::with_capacity(self.json.len() + 96);
        if let Some(trace) = self.trace.filter(|trace| trace.is_sampled()) {
            frame.extend_from_slice(format!(": traceparent={trace}\n").as_bytes());
        }
        if let Some(name) = self.name {
            frame.extend_from_slice(b"event: ");
            frame.extend_from_slice(name.as_bytes());
            frame.push(b'\n');
        }
        if let Some(id) = self.id {
            frame.extend_from_slice(b"id: ");
            frame.extend_from_slice(id.as_bytes());
            frame.push(b'\n');
        }
        frame.extend_from_slice(b"data: ");
        if html {
            escape_html(self.json, &mut frame);
        } else {
            frame.extend_from_slice(self.json);
        }
        frame.extend_from_slice(b"\n\n");
        frame.into()
    }
}

/// The first block: how long to wait before a reconnect, in milliseconds, and where the stream begins.
pub fn first_block(retry_ms: u64, id: &str) -> Bytes {
    format!("retry: {retry_ms}\nid: {id}\n\n").into()
}

/// An id without data: moves the browser's Last-Event-ID and fires nothing.
pub fn heartbeat(id: &str) -> Bytes {
    format!("id: {id}\n\n").into()
}

/// That the stream goes on at `id` without what came before, and why.
pub fn reset(id: &str, reason: &str, detail: &str, html: bool) -> Bytes {
    let reset = Reset { event_type: "reset".into(), reason: reason.into(), detail: detail.into() };
    let json = serde_json::to_vec(&reset).expect("generated messages serialize");
    Event { name: Some("reset"), id: Some(id), json: &json, trace: None }.frame(html)
}

/// What a heartbeat carries for those who asked for an event.
pub fn ping() -> Bytes {
    Event { name: Some("ping"), id: None, json: br#"{"eventType":"ping"}"#, trace: None }.frame(false)
}

/// When to come again; sent before a stream is closed.
pub fn farewell(retry_ms: u64) -> Bytes {
    format!("retry: {retry_ms}\n\n").into()
}

/// Escapes what HTML gives a meaning inside the strings of a JSON text. Works on the text, since `<`, `>`, `&` and `'`
/// stand only in strings there, and a quote in a string only behind a backslash.
fn escape_html(json: &[u8], out: &mut Vec<u8>) {
    let mut bytes = json.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'\\' => match bytes.next() {
                Some(b'"') => out.extend_from_slice(b"&quot;"),
                Some(escaped) => out.extend_from_slice(&[b'\\', escaped]),
                None => out.push(b'\\'),
            },
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(frame: &Bytes) -> &str {
        std::str::from_utf8(frame).expect("frames are UTF-8")
    }

    #[test]
    fn a_tweet_is_an_unnamed_event_with_its_id() {
        let event = Event { name: None, id: Some("1-x-0"), json: b"{}", trace: None };
        assert_eq!(text(&event.frame(false)), "id: 1-x-0\ndata: {}\n\n");
    }

    #[test]
    fn only_a_sampled_trace_goes_along_as_a_comment() {
        let trace =
            |flags: &str| TraceParent::parse(&format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"));
        let event = |trace| Event { name: Some("ping"), id: None, json: b"{}", trace };
        assert!(
            text(&event(trace("01")).frame(false)).starts_with(": traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-")
        );
        assert_eq!(text(&event(trace("00")).frame(false)), "event: ping\ndata: {}\n\n");
    }

    proptest! {
        #[test]
        fn escaped_strings_hold_the_same_text_and_no_markup(content in ".{0,60}") {
            let json = serde_json::to_vec(&serde_json::json!({ "text": content })).expect("JSON");
            let mut escaped = Vec::new();
            escape_html(&json, &mut escaped);
            let value: serde_json::Value = serde_json::from_slice(&escaped).expect("still JSON");
            let shown = value["text"].as_str().expect("still a string");
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            let back = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(back, content);
        }

        #[test]
        fn a_frame_is_one_block_whatever_the_text(content in "[\\x00-\\x7f\\u{2028}]{0,60}", html: bool) {
            let json = serde_json::to_vec(&serde_json::json!({ "text": content })).expect("JSON");
            let frame = Event { name: None, id: Some("1"), json: &json, trace: None }.frame(html);
            prop_assert!(!text(&frame).trim_end_matches('\n').contains("\n\n"));
            prop_assert_eq!(text(&frame).matches('\n').count(), 3);
            prop_assert!(!text(&frame).contains('\r'));
        }
    }
}
