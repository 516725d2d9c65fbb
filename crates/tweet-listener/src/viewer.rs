//! One viewer on the live stream: a socket and a cursor.

use std::io::{self, ErrorKind, IoSlice};

use bytes::Bytes;

use crate::{
    channels::ChannelId,
    ring::{Lapped, Ring},
    wheel::Tick,
};

/// A viewer, as small as can be: there are many.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own, and any of them go together")]
pub struct Viewer<S> {
    /// Where it is sent to.
    pub socket: S,
    /// What it has of its channel.
    pub cursor: u64,
    /// Its channel.
    pub channel: ChannelId,
    /// Where it stands in the channel's list.
    pub at: u32,
    /// When it last took something.
    pub last: Tick,
    /// When it last got an id of its own: at its start, or by a heartbeat.
    pub beat: Tick,
    /// It does not take more at present.
    pub blocked: bool,
    /// Something is owed to it that is not in the ring.
    pub owed: bool,
    /// It sends nothing any more; whether it still reads shows when it is sent something.
    pub half_closed: bool,
    /// Whether heartbeats fire an event.
    pub ping: bool,
}

/// An opening or a heartbeat that could not be sent in one write.
#[derive(Debug)]
pub struct Owed(pub [Bytes; 2]);

/// Why a viewer is not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its connection is closed or broken.
    Closed,
    /// The ring has dropped what it had not read.
    Lapped,
    /// It takes nothing.
    Stalled,
    /// It was sent away.
    Dismissed,
}

impl<S> Viewer<S> {
    /// Sends until it has everything or takes no more.
    ///
    /// # Errors
    /// Why it cannot be served any more.
    pub fn advance(
        &mut self,
        ring: &Ring,
        now: Tick,
        send: &mut impl FnMut(&S, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), Gone> {
        if ring.has_lapped(self.cursor) {
            return Err(Gone::Lapped);
        }
        while !ring.is_read(self.cursor) {
            let pending = ring.pending(self.cursor).map_err(|Lapped| Gone::Lapped)?;
            let slices = pending.slices();
            let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
            match send(&self.socket, slices) {
                Ok(sent) => {
                    self.cursor += sent as u64;
                    self.last = now;
                    if sent < wanted {
                        self.blocked = true;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Closed),
            }
        }
        Ok(())
    }

    /// Sends what is owed; whether that was all.
    ///
    /// # Errors
    /// Why it cannot be served any more.
    pub fn pay(
        &mut self,
        owed: &mut Owed,
        now: Tick,
        send: &mut impl FnMut(&S, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<bool, Gone> {
        loop {
            let [first, second] = &owed.0;
            let wanted = first.len() + second.len();
            if wanted == 0 {
                return Ok(true);
            }
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            let from = usize::from(first.is_empty());
            let to = 2 - usize::from(second.is_empty());
            match send(&self.socket, &slices[from..to]) {
                Ok(sent) => {
                    self.last = now;
                    let [first, second] = &mut owed.0;
                    let of_first = sent.min(first.len());
                    let _ = first.split_to(of_first);
                    let _ = second.split_to(sent - of_first);
                    if sent < wanted {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Closed),
            }
        }
    }
}
