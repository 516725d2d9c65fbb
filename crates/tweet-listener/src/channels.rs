//! Channels: one ring per distinct filter, as long as somebody watches it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use contracts::Conference;
use tokio::sync::Notify;

use crate::{
    filter::Filter,
    ring::{Lapped, Ring},
};

/// What makes streams equal byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The conferences.
    pub filter: Filter,
    /// Whether strings are HTML-escaped.
    pub html: bool,
}

/// Identifies a channel while a viewer is on it.
pub type ChannelId = usize;

#[derive(Debug)]
struct Channel {
    key: ChannelKey,
    ring: Ring,
    viewers: usize,
    /// Wakes the viewers that have read everything.
    arrivals: Arc<Notify>,
    /// Whether frames have come since they were last woken.
    touched: bool,
}

/// All channels with viewers, found by conference, so that an event costs what its viewers cost and no more.
#[derive(Debug)]
pub struct Channels {
    slots: Vec<Option<Channel>>,
    free: Vec<ChannelId>,
    by_key: HashMap<ChannelKey, ChannelId>,
    by_conference: HashMap<Conference, Vec<ChannelId>>,
    of_all: Vec<ChannelId>,
    touched: Vec<ChannelId>,
    ring_bytes: usize,
    max: usize,
}

/// There are as many channels as the configuration allows.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyChannels;

impl Channels {
    /// No channel yet; rings of `ring_bytes`, at most `max` of them.
    pub fn new(ring_bytes: usize, max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_conference: HashMap::new(),
            of_all: Vec::new(),
            touched: Vec::new(),
            ring_bytes,
            max,
        }
    }

    /// Puts a viewer on the channel of `key`: where its cursor begins, and what wakes it.
    ///
    /// # Errors
    /// [`TooManyChannels`] where it would be a new channel too many.
    pub fn join(&mut self, key: &ChannelKey) -> Result<(ChannelId, u64, Arc<Notify>), TooManyChannels> {
        let id = match self.by_key.get(key) {
            Some(id) => *id,
            None if self.by_key.len() >= self.max => return Err(TooManyChannels),
            None => self.open(key),
        };
        let channel = self.slots[id].as_mut().expect("channels that are found by key are there");
        channel.viewers += 1;
        Ok((id, channel.ring.head(), Arc::clone(&channel.arrivals)))
    }

    /// Takes a viewer off; the last one takes the ring along.
    pub fn leave(&mut self, id: ChannelId) {
        let Some(channel) = self.slots.get_mut(id).and_then(Option::as_mut) else { return };
        channel.viewers -= 1;
        if channel.viewers > 0 {
            return;
        }
        let Some(channel) = self.slots[id].take() else { return };
        self.by_key.remove(&channel.key);
        match channel.key.filter.conferences() {
            [] => self.of_all.retain(|other| *other != id),
            named => {
                for conference in named {
                    if let Some(ids) = self.by_conference.get_mut(conference) {
                        ids.retain(|other| *other != id);
                        if ids.is_empty() {
                            self.by_conference.remove(conference);
                        }
                    }
                }
            }
        }
        self.touched.retain(|other| *other != id);
        self.free.push(id);
    }

    fn open(&mut self, key: &ChannelKey) -> ChannelId {
        let channel = Channel {
            key: key.clone(),
            ring: Ring::new(self.ring_bytes),
            viewers: 0,
            arrivals: Arc::default(),
            touched: false,
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[id] = Some(channel);
        self.by_key.insert(key.clone(), id);
        match key.filter.conferences() {
            [] => self.of_all.push(id),
            named => {
                for conference in named {
                    self.by_conference.entry(conference.clone()).or_default().push(id);
                }
            }
        }
        id
    }

    /// Adds an event of `conference` to every channel that wants it. `encode` is called once per form that is wanted.
    pub fn publish(&mut self, conference: &Conference, encode: impl Fn(bool) -> Bytes) {
        let (mut plain, mut html) = (None, None);
        let named = self.by_conference.get(conference).map_or(&[][..], Vec::as_slice);
        for id in self.of_all.iter().chain(named) {
            let Some(channel) = self.slots[*id].as_mut() else { continue };
            let frame = if channel.key.html { &mut html } else { &mut plain };
            channel.ring.push(frame.get_or_insert_with(|| encode(channel.key.html)).clone());
            if !std::mem::replace(&mut channel.touched, true) {
                self.touched.push(*id);
            }
        }
    }

    /// Wakes the viewers of every channel that got something.
    pub fn wake(&mut self) {
        for id in self.touched.drain(..) {
            if let Some(channel) = self.slots[id].as_mut() {
                channel.touched = false;
                channel.arrivals.notify_waiters();
            }
        }
    }

    /// Everything that is pending for a cursor, about `max_bytes` at a time.
    ///
    /// # Errors
    /// [`Lapped`] where the viewer was too slow.
    pub fn read(&self, id: ChannelId, cursor: &mut u64, max_bytes: usize) -> Result<Option<Bytes>, Lapped> {
        match &self.slots[id] {
            Some(channel) => channel.ring.read(cursor, max_bytes),
            None => Err(Lapped),
        }
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }
}
