//! The viewers of one serving thread: cursors on the rings of their channels. Pure: whoever calls says how bytes are sent.

use std::{
    collections::BinaryHeap,
    io::{self, IoSlice},
};

use bytes::Bytes;

use crate::{
    channels::ChannelId,
    debts::Debts,
    ring::Ring,
    viewer::{Gone, Owed, Viewer},
    wheel::Tick,
};

/// One viewer, as long as it is there: a place, and how often the place was taken before.
pub type ViewerId = u64;

/// A viewer that comes onto a channel.
#[derive(Debug)]
pub struct Newcomer<S> {
    /// Where it is sent to.
    pub socket: S,
    /// Its channel.
    pub channel: ChannelId,
    /// What it gets first: its own bytes, and those that it shares with others.
    pub opening: [Bytes; 2],
    /// Whether heartbeats fire an event.
    pub ping: bool,
}

/// How much is kept for viewers that are behind.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of one channel, in bytes.
    pub ring_bytes: usize,
    /// Of all channels together and what is owed beside them, in bytes.
    pub all_rings_bytes: usize,
}

/// All viewers of a thread, and their channels.
#[derive(Debug)]
pub struct Audience<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    /// By id; only those that somebody here is on.
    channels: Vec<Option<Channel>>,
    touched: Vec<ChannelId>,
    /// Openings and heartbeats that could not be sent in one write.
    owed: Debts,
    bounds: Bounds,
    held: usize,
    viewers: usize,
}

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    viewer: Option<Viewer<S>>,
}

#[derive(Debug)]
struct Channel {
    ring: Ring,
    /// Places of its viewers.
    viewers: Vec<u32>,
    blocked: usize,
    touched: bool,
    /// When a frame with an id last came.
    last_id: Tick,
}

/// What the timers go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// When the viewer last got an id, or will have got one once it takes what is pending.
    pub id_at: Tick,
    /// When it last took something.
    pub taken_at: Tick,
    /// It takes nothing at present.
    pub blocked: bool,
    /// Whether its heartbeats fire an event.
    pub ping: bool,
}

fn place(id: ViewerId) -> u32 {
    u32::try_from(id & u64::from(u32::MAX)).expect("32 bits")
}

fn index(place: u32) -> usize {
    usize::try_from(place).expect("at least 32 bits")
}

impl<S> Audience<S> {
    /// Nobody.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            channels: Vec::new(),
            touched: Vec::new(),
            owed: Debts::default(),
            bounds,
            held: 0,
            viewers: 0,
        }
    }

    /// How many viewers.
    pub fn len(&self) -> usize {
        self.viewers
    }

    /// What the rings take and what is owed beside them, in bytes.
    pub fn held(&self) -> usize {
        self.held + self.owed.bytes()
    }

    /// Notes that a viewer sends nothing any more; false where that was known.
    pub fn half_close(&mut self, id: ViewerId) -> bool {
        if self.viewer(id).is_none() {
            return false;
        }
        let viewer = self.slots[index(place(id))].viewer.as_mut().expect("looked at above");
        !std::mem::replace(&mut viewer.half_closed, true)
    }

    /// The socket of a viewer that is still there.
    pub fn socket(&self, id: ViewerId) -> Option<&S> {
        self.viewer(id).map(|viewer| &viewer.socket)
    }

    /// How it is with a viewer that is still there.
    pub fn pulse(&self, id: ViewerId) -> Option<Pulse> {
        let viewer = self.viewer(id)?;
        let on = self.channels[viewer.channel].as_ref().expect("a viewer is on a channel");
        Some(Pulse {
            id_at: viewer.beat.max(on.last_id),
            taken_at: viewer.last,
            blocked: viewer.blocked,
            ping: viewer.ping,
        })
    }

    /// Every viewer.
    pub fn ids(&self) -> impl Iterator<Item = ViewerId> + '_ {
        (0_u32..).zip(&self.slots).filter(|(_, slot)| slot.viewer.is_some()).map(|(at, slot)| id(at, slot.generation))
    }

    fn viewer(&self, id: ViewerId) -> Option<&Viewer<S>> {
        let slot = self.slots.get(index(place(id)))?;
        (slot.generation == u32::try_from(id >> 32).ok()?).then_some(slot.viewer.as_ref()).flatten()
    }

    /// Puts a viewer behind what its channel has had so far. It has got nothing yet: see [`Audience::resume`].
    pub fn enter(&mut self, newcomer: Newcomer<S>, now: Tick) -> ViewerId {
        let Newcomer { socket, channel, opening, ping } = newcomer;
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, viewer: None });
            u32::try_from(self.slots.len() - 1).expect("fewer viewers than 32 bits")
        });
        if self.channels.len() <= channel {
            self.channels.resize_with(channel + 1, || None);
        }
        let ring_bytes = self.bounds.ring_bytes;
        let on = self.channels[channel].get_or_insert_with(|| Channel {
            ring: Ring::new(ring_bytes),
            viewers: Vec::new(),
            blocked: 0,
            touched: false,
            last_id: now,
        });
        let viewer = Viewer {
            socket,
            cursor: on.ring.head(),
            channel,
            at: u32::try_from(on.viewers.len()).expect("fewer viewers than 32 bits"),
            last: now,
            beat: now,
            blocked: true,
            owed: true,
            half_closed: false,
            ping,
        };
        on.viewers.push(at);
        on.blocked += 1;
        self.owed.insert(at, Owed(opening));
        let slot = &mut self.slots[index(at)];
        slot.viewer = Some(viewer);
        self.viewers += 1;
        id(at, slot.generation)
    }

    /// Takes a viewer off: its socket, and the channel that it was on.
    pub fn leave(&mut self, id: ViewerId) -> Option<(S, ChannelId)> {
        self.viewer(id)?;
        let at = place(id);
        let slot = &mut self.slots[index(at)];
        let viewer = slot.viewer.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at);
        self.viewers -= 1;
        self.owed.remove(at);
        let on = self.channels[viewer.channel].as_mut().expect("a viewer is on a channel");
        on.viewers.swap_remove(index(viewer.at));
        if let Some(moved) = on.viewers.get(index(viewer.at)) {
            self.slots[index(*moved)].viewer.as_mut().expect("lists name viewers that are there").at = viewer.at;
        }
        on.blocked -= usize::from(viewer.blocked);
        if on.viewers.is_empty() {
            self.held -= on.ring.held();
            self.channels[viewer.channel] = None;
            self.touched.retain(|touched| *touched != viewer.channel);
        } else if on.blocked == 0 && !on.touched {
            self.held -= on.ring.held();
            on.ring.release(on.ring.head());
            self.held += on.ring.held();
        }
        Some((viewer.socket, viewer.channel))
    }

    /// Adds a frame to a channel, for the next [`Audience::sweep`]; with `id_at`, where it has an id.
    pub fn publish(&mut self, channel: ChannelId, frame: Bytes, id_at: Option<Tick>) {
        let Some(on) = self.channels.get_mut(channel).and_then(Option::as_mut) else { return };
        let before = on.ring.held();
        on.ring.push(frame);
        self.held += on.ring.held() - before;
        on.last_id = id_at.unwrap_or(on.last_id);
        if !std::mem::replace(&mut on.touched, true) {
            self.touched.push(channel);
        }
    }

    /// Sends to every viewer of every channel that got something, in as few writes as their sockets take; whoever cannot
    /// be served any more is named in `gone`.
    pub fn sweep(
        &mut self,
        now: Tick,
        send: &mut impl FnMut(&S, &[IoSlice<'_>]) -> io::Result<usize>,
        gone: &mut Vec<(ViewerId, Gone)>,
    ) {
        for channel in std::mem::take(&mut self.touched) {
            let Some(on) = self.channels[channel].as_mut() else { continue };
            on.touched = false;
            self.held -= on.ring.held();
            on.ring.seal();
            let mut slowest = on.ring.head();
            for at in &on.viewers {
                let slot = &mut self.slots[index(*at)];
                let viewer = slot.viewer.as_mut().expect("lists name viewers that are there");
                if viewer.blocked {
                    if on.ring.has_lapped(viewer.cursor) {
                        gone.push((id(*at, slot.generation), Gone::Lapped));
                        continue;
                    }
                } else if let Err(why) = viewer.advance(&on.ring, now, send) {
                    gone.push((id(*at, slot.generation), why));
                    continue;
                } else {
                    on.blocked += usize::from(viewer.blocked);
                }
                slowest = slowest.min(viewer.cursor);
            }
            on.ring.release(slowest);
            self.held += on.ring.held();
        }
        self.make_room(gone);
    }

    /// Keeps to the bound over all: the largest gives first, so that viewers who stand still on some channels are not
    /// kept at the cost of those who are a little behind on another.
    fn make_room(&mut self, gone: &mut Vec<(ViewerId, Gone)>) {
        let bound = self.bounds.all_rings_bytes;
        if self.held() <= bound {
            return;
        }
        // More than has to be, so that the look at all channels is seldom.
        let bound = bound - bound / 8;
        let rings = self.channels.iter().zip(0..);
        let mut rings: BinaryHeap<(usize, ChannelId)> =
            rings.filter_map(|(on, channel)| Some((on.as_ref()?.ring.held(), channel))).collect();
        while self.held() > bound {
            let largest = rings.pop();
            if let Some((held, channel)) = largest.filter(|(held, _)| *held > 0 && *held >= self.owed.bytes()) {
                let Some(on) = self.channels[channel].as_mut() else { continue };
                if on.ring.drop_oldest() {
                    self.held -= held - on.ring.held();
                    rings.push((on.ring.held(), channel));
                }
                continue;
            }
            rings.extend(largest);
            let struck = self.owed.strike_oldest();
            if struck.is_empty() {
                return;
            }
            gone.extend(struck.into_iter().map(|at| (id(at, self.slots[index(at)].generation), Gone::Lapped)));
        }
    }

    /// Goes on with a viewer whose socket takes bytes again, or that has just come.
    ///
    /// # Errors
    /// Why it cannot be served any more.
    pub fn resume(
        &mut self,
        id: ViewerId,
        now: Tick,
        send: &mut impl FnMut(&S, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), Gone> {
        if self.viewer(id).is_none_or(|viewer| !viewer.blocked) {
            return Ok(());
        }
        let at = place(id);
        let viewer = self.slots[index(at)].viewer.as_mut().expect("looked at above");
        let on = self.channels[viewer.channel].as_mut().expect("a viewer is on a channel");
        if viewer.owed {
            // What is owed is kept, unless room had to be made.
            let Some(owed) = self.owed.get_mut(at) else { return Err(Gone::Lapped) };
            if !viewer.pay(owed, now, send)? {
                return Ok(());
            }
            viewer.owed = false;
            self.owed.remove(at);
        }
        viewer.blocked = false;
        on.blocked -= 1;
        viewer.advance(&on.ring, now, send)?;
        on.blocked += usize::from(viewer.blocked);
        if on.blocked == 0 && !on.touched {
            self.held -= on.ring.held();
            on.ring.release(on.ring.head());
            self.held += on.ring.held();
        }
        Ok(())
    }

    /// Sends `bytes` to a viewer that has everything; to others nothing. Returns whether it has been sent, or is owed.
    ///
    /// # Errors
    /// Why it cannot be served any more.
    pub fn send_between(
        &mut self,
        id: ViewerId,
        bytes: &Bytes,
        now: Tick,
        send: &mut impl FnMut(&S, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<bool, Gone> {
        if self.viewer(id).is_none_or(|viewer| viewer.blocked) {
            return Ok(false);
        }
        let at = place(id);
        let viewer = self.slots[index(at)].viewer.as_mut().expect("looked at above");
        let on = self.channels[viewer.channel].as_mut().expect("a viewer is on a channel");
        // Frames that are still to be sealed come before whatever else.
        if viewer.cursor != on.ring.head() {
            return Ok(false);
        }
        let mut owed = Owed([bytes.clone(), Bytes::new()]);
        let whole = viewer.pay(&mut owed, now, send)?;
        if owed.0[0].len() == bytes.len() {
            return Ok(false);
        }
        viewer.beat = now;
        if !whole {
            (viewer.owed, viewer.blocked) = (true, true);
            on.blocked += 1;
            self.owed.insert(at, owed);
        }
        Ok(true)
    }

    /// Whether a viewer has everything that is to be had.
    pub fn is_level(&self, id: ViewerId) -> bool {
        self.viewer(id).is_some_and(|viewer| {
            let on = self.channels[viewer.channel].as_ref().expect("a viewer is on a channel");
            !viewer.blocked && viewer.cursor == on.ring.head()
        })
    }
}

fn id(place: u32, generation: u32) -> ViewerId {
    u64::from(generation) << 32 | u64::from(place)
}

#[cfg(test)]
#[path = "audience_model.rs"]
mod model;
