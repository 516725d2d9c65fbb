//! Event streams as the HTML standard says that a browser reads them (section 9.2.6, "Interpreting an event stream").

use std::time::Duration;

/// What came on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event that a browser would fire.
    Event {
        /// Its type; `message` where the stream named none.
        kind: &'a str,
        /// Its data, lines joined by a line feed.
        data: &'a str,
        /// The last event id at this point of the stream.
        id: &'a str,
    },
    /// A block without data moved the last event id.
    Position(&'a str),
    /// The time after which to reconnect.
    Retry(Duration),
    /// A comment line, without its colon and one blank.
    Comment(&'a str),
    /// A line that a browser passes over: an unknown field, a `retry` that is no number, an `id` with a NUL.
    Ignored(&'a str),
}

/// Reads one stream, in pieces as they arrive.
#[derive(Debug, Default)]
pub struct EventStream {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The last piece ended in CR: an LF that comes next belongs to it.
    after_cr: bool,
    /// A first line was read; only before it may a byte order mark stand.
    begun: bool,
    kind: String,
    data: String,
    /// The id buffer: becomes the last event id with the next blank line.
    id: String,
    last_event_id: String,
}

impl EventStream {
    /// A stream that is resumed behind `last_event_id`.
    pub fn resumed(last_event_id: &str) -> Self {
        Self { id: last_event_id.to_owned(), last_event_id: last_event_id.to_owned(), ..Self::default() }
    }

    /// The id to reconnect with.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Reads the next piece and calls `on` with each item that it completes. What a stream leaves incomplete at its end
    /// is never seen, as in a browser.
    pub fn push(&mut self, mut piece: &[u8], on: &mut impl FnMut(Item<'_>)) {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(piece);
                return;
            };
            self.after_cr = piece[end] == b'\r';
            if self.line.is_empty() {
                self.read_line(&piece[..end], on);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&piece[..end]);
                self.read_line(&line, on);
                line.clear();
                self.line = line;
            }
            piece = &piece[end + 1..];
        }
    }

    fn read_line(&mut self, mut line: &[u8], on: &mut impl FnMut(Item<'_>)) {
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(on);
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => on(Item::Comment(value)),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                on(Item::Retry(Duration::from_millis(value.parse().unwrap_or(u64::MAX))));
            }
            _ => on(Item::Ignored(&line)),
        }
    }

    fn dispatch(&mut self, on: &mut impl FnMut(Item<'_>)) {
        let moved = self.last_event_id != self.id;
        if moved {
            self.id.clone_into(&mut self.last_event_id);
        }
        if let Some(data) = self.data.strip_suffix('\n') {
            let kind = if self.kind.is_empty() { "message" } else { &self.kind };
            on(Item::Event { kind, data, id: &self.last_event_id });
        } else if moved {
            on(Item::Position(&self.last_event_id));
        }
        self.data.clear();
        self.kind.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut stream, mut items) = (EventStream::default(), Vec::new());
        for piece in pieces {
            stream.push(piece, &mut |item| items.push(format!("{item:?}")));
        }
        items
    }

    fn event(kind: &str, data: &str, id: &str) -> String {
        format!("{:?}", Item::Event { kind, data, id })
    }

    /// The examples of section 9.2.6.
    #[test]
    fn the_standards_examples_are_read_as_the_standard_says() {
        assert_eq!(
            read(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]),
            [event("message", "YHOO\n+2\n10", "")],
            "lines of data are joined"
        );
        assert_eq!(
            read(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"]),
            [
                format!("{:?}", Item::Comment("test stream")),
                event("message", "first event", "1"),
                event("message", "second event", ""),
                event("message", " third event", ""),
            ]
        );
        assert_eq!(
            read(&[b"data\n\ndata\ndata\n\ndata:"]),
            [event("message", "", ""), event("message", "\n", "")],
            "the last block is not complete"
        );
        assert_eq!(
            read(&[b"data:test\n\ndata: test\n\n"]),
            [event("message", "test", ""), event("message", "test", "")]
        );
    }

    #[test]
    fn an_id_counts_only_with_the_blank_line_that_ends_its_block() {
        let mut stream = EventStream::resumed("4");
        stream.push(b"id: 5\ndata: x", &mut |_| {});
        assert_eq!(stream.last_event_id(), "4");
        stream.push(b"\n\n", &mut |item| assert_eq!(item, Item::Event { kind: "message", data: "x", id: "5" }));
        assert_eq!(stream.last_event_id(), "5");
    }

    #[test]
    fn a_block_with_an_id_only_moves_the_position_and_fires_nothing() {
        assert_eq!(
            read(&[b"retry: 3000\nid: a\n\nid: a\n\nid: b\n\n"]),
            [
                format!("{:?}", Item::Retry(Duration::from_secs(3))),
                format!("{:?}", Item::Position("a")),
                format!("{:?}", Item::Position("b")),
            ]
        );
    }

    #[test]
    fn lines_that_a_browser_passes_over_are_told() {
        assert_eq!(
            read(&[b"retry: soon\nid: a\0b\nretry:\ndate: x\n\n"]),
            ["retry: soon", "id: a\0b", "retry:", "date: x"].map(|line| format!("{:?}", Item::Ignored(line)))
        );
    }

    #[test]
    fn a_byte_order_mark_may_stand_at_the_beginning_only() {
        assert_eq!(
            read(&[b"\xef\xbb\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n"]),
            [event("message", "x", ""), format!("{:?}", Item::Ignored("\u{feff}data: y"))]
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_stream_is_cut_or_how_its_lines_end(
            blocks in prop::collection::vec(("[a-z]{0,3}", "[ -~é]{0,9}", "[0-9]{0,3}"), 0..6),
            ending in prop::sample::select(vec!["\n", "\r", "\r\n"]),
            cuts in prop::collection::vec(0_usize..400, 0..8),
        ) {
            let block = |(kind, data, id): &(String, String, String)| {
                format!("event:{kind}{ending}id: {id}{ending}data: {data}{ending}{ending}")
            };
            let text = blocks.iter().map(block).collect::<Vec<_>>().concat();
            let expected: Vec<String> = blocks
                .iter()
                .map(|(kind, data, id)| event(if kind.is_empty() { "message" } else { kind }, data, id))
                .collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), expected);
        }
    }
}
