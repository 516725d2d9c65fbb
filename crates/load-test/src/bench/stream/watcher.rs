//! One viewer of the probe: a socket, and what came over it so far.

use std::{os::fd::OwnedFd, time::Instant};

use crate::{http::Head, series::Series};

/// What a viewer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected.
    Away,
    /// The connection is being made.
    Connecting,
    /// The request is sent.
    Asked,
    /// The first block has come.
    Open,
}

/// A viewer that checks what it gets by number.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) socket: Option<OwnedFd>,
    pub(super) state: State,
    /// Which conference it watches; `None`: all of the series, which then has one.
    pub(super) conference: Option<usize>,
    /// The number that is due.
    pub(super) due: u64,
    /// The last id that did not come with a post, and which number was due then.
    id: (String, u64),
    /// The beginning of a block, or of the head.
    partial: Vec<u8>,
    /// Blocks that were no posts.
    pub(super) blocks: u64,
    pub(super) asked_at: Instant,
    /// The last `retry:`, in milliseconds.
    pub(super) retry_ms: u64,
    /// It reads nothing from now on.
    pub(super) stalled: bool,
    /// The kernel keeps little for it that it has not read.
    pub(super) narrow: bool,
}

/// Frames as the first viewer got them, by conference and number: all others must get the same bytes.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<Vec<Box<[u8]>>>);

impl Frames {
    pub(super) fn of(conferences: usize) -> Self {
        Self((0..conferences).map(|_| Vec::new()).collect())
    }

    fn get(&self, conference: usize, number: u64) -> Option<&[u8]> {
        self.0[conference].get(usize::try_from(number).ok()?).map(AsRef::as_ref)
    }
}

impl Watcher {
    pub(super) fn new(conference: Option<usize>) -> Self {
        Self {
            socket: None,
            state: State::Away,
            conference,
            due: 0,
            id: (String::new(), 0),
            partial: Vec::new(),
            blocks: 0,
            asked_at: Instant::now(),
            retry_ms: 0,
            stalled: false,
            narrow: false,
        }
    }

    /// The request with which it comes, or comes again.
    pub(super) fn request(&self, series: &Series, frames: &Frames) -> String {
        let filter = self.conference.map(|at| format!("?conference={}", series.conference(at))).unwrap_or_default();
        let id = match self.last_event_id(frames) {
            id if id.is_empty() => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        format!("GET /updates{filter} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{id}\r\n")
    }

    fn last_event_id(&self, frames: &Frames) -> String {
        let (id, then) = &self.id;
        let of_last = (self.due > *then).then(|| frames.get(self.conference.unwrap_or(0), self.due - 1)).flatten();
        of_last.and_then(id_of).unwrap_or(id).to_owned()
    }

    /// Begins anew, behind the last whole block.
    pub(super) fn hang_up(&mut self) {
        self.socket = None;
        self.state = State::Away;
        self.partial.clear();
    }

    /// Takes bytes and calls `on_post` with each post that is whole.
    ///
    /// # Errors
    /// What is not as it must be: a head, or the number that is due.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        series: &Series,
        frames: &mut Frames,
        mut on_post: impl FnMut(usize, u64),
    ) -> anyhow::Result<()> {
        let mut rest = bytes;
        let joined;
        if !self.partial.is_empty() {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(bytes);
            joined = partial;
            rest = &joined;
        }
        if self.state == State::Asked
            && let Some((head, len)) = if rest.starts_with(b"HTTP/") { Head::read(rest)? } else { None }
        {
            let kind = head.header("content-type").unwrap_or("(none)");
            anyhow::ensure!(
                head.status == 200 && kind.starts_with("text/event-stream"),
                "status {}, {kind}",
                head.status
            );
            anyhow::ensure!(head.header("transfer-encoding").is_none(), "chunks are not what is measured here");
            rest = &rest[len..];
        }
        loop {
            let at = self.conference.unwrap_or(0);
            // All but the first get what has been read already.
            if let Some(frame) = frames.get(at, self.due)
                && rest.starts_with(frame)
            {
                on_post(at, self.due);
                self.due += 1;
                rest = &rest[frame.len()..];
                continue;
            }
            let Some(end) = rest.windows(2).position(|window| window == b"\n\n") else { break };
            let (block, behind) = rest.split_at(end + 2);
            self.take_block(block, series, frames, &mut on_post)?;
            rest = behind;
        }
        if !rest.is_empty() {
            self.partial = rest.to_vec();
        }
        Ok(())
    }

    fn take_block(
        &mut self,
        block: &[u8],
        series: &Series,
        frames: &mut Frames,
        on_post: &mut impl FnMut(usize, u64),
    ) -> anyhow::Result<()> {
        let text = std::str::from_utf8(block)?;
        if let Some(retry) = text.lines().find_map(|line| line.strip_prefix("retry: ")) {
            self.retry_ms = retry.parse()?;
        }
        let place = text.lines().find_map(|line| series.place_in(line.strip_prefix("data: ")?));
        match place {
            Some(place) => {
                anyhow::ensure!(place.number == self.due, "{} came where {} was due", place.number, self.due);
                let known = &mut frames.0[place.conference];
                anyhow::ensure!(known.len() as u64 == self.due, "a post that differs from what others got: {text}");
                known.push(block.into());
                on_post(place.conference, place.number);
                self.due += 1;
            }
            None => {
                self.blocks += 1;
                anyhow::ensure!(!text.contains("event: reset"), "{text}");
                if let Some(id) = id_of(block) {
                    self.id = (id.to_owned(), self.due);
                }
                // Ours begins with an id, nchan's with a comment.
                if id_of(block).is_some() || text.starts_with(':') {
                    self.state = State::Open;
                }
            }
        }
        Ok(())
    }
}

fn id_of(block: &[u8]) -> Option<&str> {
    std::str::from_utf8(block).ok()?.lines().find_map(|line| line.strip_prefix("id: "))
}
