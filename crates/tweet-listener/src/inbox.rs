//! What the hub hands to a serving thread.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};

use crate::{audience::Newcomer, channels::ChannelId};

/// What a serving thread is told, in the order in which it happened.
#[derive(Debug)]
pub enum Told<S> {
    /// A frame for all who are on a channel.
    Frame {
        /// The channel.
        channel: ChannelId,
        /// Its bytes.
        frame: Bytes,
        /// Whether it moves the id of who reads it.
        has_id: bool,
    },
    /// A viewer; it gets the frames that come behind it.
    Enter(Newcomer<S>),
    /// Send everybody away, spread over this time.
    Drain(Duration),
    /// End.
    Stop,
}

/// A queue with a bell that can be waited for together with sockets.
#[derive(Debug)]
pub struct Inbox<S> {
    queue: Mutex<Vec<Told<S>>>,
    bell: OwnedFd,
    rung: AtomicBool,
}

impl<S> Inbox<S> {
    /// Empty.
    ///
    /// # Errors
    /// Where the system has no more files.
    pub fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { queue: Mutex::default(), bell, rung: AtomicBool::new(false) })
    }

    /// Adds to the queue; the thread learns of it by the next [`Inbox::ring`].
    pub fn push(&self, told: Told<S>) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// Wakes the thread where something is in the queue.
    pub fn ring(&self) {
        let waiting = !self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if waiting && !self.rung.swap(true, Ordering::AcqRel) {
            // It fails only when it has been rung 2^64 - 1 times.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// The bell is heard; what is rung from now on wakes the thread again.
    pub fn hear(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        self.rung.store(false, Ordering::Release);
    }

    /// Takes everything.
    pub fn take(&self) -> Vec<Told<S>> {
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> AsFd for Inbox<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
