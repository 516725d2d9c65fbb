//! Channels: one per distinct filter, as long as somebody watches it, and which serving threads have viewers of it.

use std::collections::HashMap;

use bytes::Bytes;
use contracts::Conference;

use crate::filter::Filter;

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
    /// By thread.
    viewers: Box<[usize]>,
}

/// All channels with viewers, found by conference, so that an event costs what its viewers cost and no more.
#[derive(Debug)]
pub struct Channels {
    slots: Vec<Option<Channel>>,
    free: Vec<ChannelId>,
    by_key: HashMap<ChannelKey, ChannelId>,
    by_conference: HashMap<Conference, Vec<ChannelId>>,
    of_all: Vec<ChannelId>,
    /// Viewers by thread.
    loads: Box<[usize]>,
    max: usize,
}

/// There are as many channels as the configuration allows.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyChannels;

impl Channels {
    /// No channel yet, and at most `max`; viewers are shared out among `threads`.
    pub fn new(max: usize, threads: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_conference: HashMap::new(),
            of_all: Vec::new(),
            loads: vec![0; threads.max(1)].into(),
            max,
        }
    }

    /// Puts a viewer on the channel of `key` and the thread with the fewest viewers.
    ///
    /// # Errors
    /// [`TooManyChannels`] where it would be a new channel too many.
    pub fn join(&mut self, key: &ChannelKey) -> Result<(ChannelId, usize), TooManyChannels> {
        let id = match self.by_key.get(key) {
            Some(id) => *id,
            None if self.by_key.len() >= self.max => return Err(TooManyChannels),
            None => self.open(key),
        };
        let loads = self.loads.iter().enumerate();
        let thread = loads.min_by_key(|(_, load)| **load).map_or(0, |(thread, _)| thread);
        self.loads[thread] += 1;
        self.slots[id].as_mut().expect("channels that are found by key are there").viewers[thread] += 1;
        Ok((id, thread))
    }

    /// Takes a viewer off; the last one closes the channel.
    pub fn leave(&mut self, id: ChannelId, thread: usize) {
        let Some(channel) = self.slots.get_mut(id).and_then(Option::as_mut) else { return };
        channel.viewers[thread] -= 1;
        self.loads[thread] -= 1;
        if channel.viewers.iter().any(|viewers| *viewers > 0) {
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
        self.free.push(id);
    }

    fn open(&mut self, key: &ChannelKey) -> ChannelId {
        let channel = Channel { key: key.clone(), viewers: vec![0; self.loads.len()].into() };
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

    /// Passes an event of `conference` to each thread that has viewers of a channel that wants it. `encode` is called
    /// once per form that is wanted.
    pub fn publish(
        &self,
        conference: &Conference,
        encode: impl Fn(bool) -> Bytes,
        mut pass: impl FnMut(usize, ChannelId, Bytes),
    ) {
        let (mut plain, mut html) = (None, None);
        let named = self.by_conference.get(conference).map_or(&[][..], Vec::as_slice);
        for id in self.of_all.iter().chain(named) {
            let Some(channel) = &self.slots[*id] else { continue };
            let frame = if channel.key.html { &mut html } else { &mut plain };
            let frame = frame.get_or_insert_with(|| encode(channel.key.html));
            for (thread, viewers) in channel.viewers.iter().enumerate() {
                if *viewers > 0 {
                    pass(thread, *id, frame.clone());
                }
            }
        }
    }

    /// Passes something to everybody. `encode` is called once per form that is wanted.
    pub fn publish_to_all(&self, encode: impl Fn(bool) -> Bytes, mut pass: impl FnMut(usize, ChannelId, Bytes)) {
        let forms = [encode(false), encode(true)];
        for (id, channel) in self.slots.iter().enumerate() {
            let Some(channel) = channel else { continue };
            for (thread, viewers) in channel.viewers.iter().enumerate() {
                if *viewers > 0 {
                    pass(thread, id, forms[usize::from(channel.key.html)].clone());
                }
            }
        }
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }
}
