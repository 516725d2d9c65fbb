//! One connection to `/updates`.

use std::{cell::RefCell, io, net::SocketAddr};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    body::Body,
    event_stream::{EventStream, Item},
    http::{Head, Request, connect, read_head},
};

thread_local! {
    /// What a read fills: one for all subscriptions of a thread, so that an idle one costs little more than its socket.
    static PIECE: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// An open stream.
#[derive(Debug)]
pub struct Subscription {
    socket: TcpStream,
    /// What came with the head.
    rest: Vec<u8>,
    head: Head,
    body: Body,
    events: EventStream,
}

impl Subscription {
    /// Asks `address` for `target` (path and query), behind `last_event_id` where one is given.
    ///
    /// # Errors
    /// No connection, or an answer other than 200 with an event stream: a browser gives up for good on those.
    pub async fn open(address: SocketAddr, target: &str, last_event_id: Option<&str>) -> io::Result<Self> {
        let mut request =
            Request::get(target).header("Accept", "text/event-stream").header("Cache-Control", "no-store");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let mut socket = connect(address).await?;
        socket.write_all(&request.to_bytes()).await?;
        let mut rest = Vec::new();
        let head = read_head(&mut socket, &mut rest).await?;
        let kind = head.header("content-type").unwrap_or("(none)");
        if head.status != 200 || !kind.starts_with("text/event-stream") {
            return Err(io::Error::other(format!("status {}, content type {kind}", head.status)));
        }
        let body = Body::of(&head).map_err(io::Error::other)?;
        let events = EventStream::resumed(last_event_id.unwrap_or_default());
        Ok(Self { socket, rest, head, body, events })
    }

    /// The head of the answer.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The id to reconnect with.
    pub fn last_event_id(&self) -> &str {
        self.events.last_event_id()
    }

    /// Waits for the next bytes and calls `on` with each item that they complete. False at the stream's end. May be
    /// dropped at any time without losing anything.
    ///
    /// # Errors
    /// A connection that broke off.
    pub async fn read(&mut self, on: &mut impl FnMut(Item<'_>)) -> io::Result<bool> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return self.take(&rest, on);
        }
        loop {
            self.socket.readable().await?;
            let read = PIECE.with_borrow_mut(|piece| match self.socket.try_read(piece) {
                Ok(0) if self.body.lasts_until_close() => Ok(Some(false)),
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => take(&mut self.body, &mut self.events, &piece[..len], on).map(Some),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            })?;
            if let Some(open) = read {
                return Ok(open);
            }
        }
    }

    fn take(&mut self, bytes: &[u8], on: &mut impl FnMut(Item<'_>)) -> io::Result<bool> {
        take(&mut self.body, &mut self.events, bytes, on)
    }
}

fn take(
    body: &mut Body,
    events: &mut EventStream,
    mut bytes: &[u8],
    on: &mut impl FnMut(Item<'_>),
) -> io::Result<bool> {
    while let Some(piece) = body.next(&mut bytes).map_err(io::Error::other)? {
        events.push(piece, on);
    }
    Ok(!body.is_complete())
}
