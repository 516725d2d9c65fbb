//! A model of sockets that take what they like: whatever they take and whoever comes and goes, nobody gets anything but
//! what its channel had since it came, in order and each byte once, or it is told that it is gone.

use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;
use crate::ring::joined;

const BOUNDS: Bounds = Bounds { ring_bytes: 300, all_rings_bytes: 500 };
const CHANNELS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Enter {
        channel: usize,
        opening: usize,
    },
    Publish {
        channel: usize,
        len: usize,
    },
    Sweep,
    /// The socket of a viewer has room again, and its thread hears of it.
    Room {
        viewer: usize,
        bytes: usize,
    },
    Between {
        viewer: usize,
    },
    Break {
        viewer: usize,
    },
    Leave {
        viewer: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let viewer = 0_usize..12;
    let step = prop_oneof![
        2 => (0..CHANNELS, 0_usize..60).prop_map(|(channel, opening)| Step::Enter { channel, opening }),
        5 => (0..CHANNELS, 1_usize..90).prop_map(|(channel, len)| Step::Publish { channel, len }),
        4 => Just(Step::Sweep),
        4 => (viewer.clone(), 0_usize..150).prop_map(|(viewer, bytes)| Step::Room { viewer, bytes }),
        1 => viewer.clone().prop_map(|viewer| Step::Between { viewer }),
        1 => viewer.clone().prop_map(|viewer| Step::Break { viewer }),
        1 => viewer.prop_map(|viewer| Step::Leave { viewer }),
    ];
    proptest::collection::vec(step, 0..120)
}

/// What really happens at the other end of a socket; sockets are numbers of these.
#[derive(Debug, Default)]
struct Peer {
    room: usize,
    broken: bool,
    received: Vec<u8>,
    /// All that it is to get.
    due: Vec<u8>,
    channel: usize,
    id: ViewerId,
    gone: Option<Gone>,
}

fn send(peers: &mut [Peer]) -> impl FnMut(&usize, &[IoSlice<'_>]) -> io::Result<usize> {
    |at, slices| {
        let peer = &mut peers[*at];
        assert!(peer.gone.is_none(), "nothing is sent to who has gone");
        assert!(slices.iter().all(|slice| !slice.is_empty()) && !slices.is_empty());
        if peer.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let bytes = joined(slices);
        let taken = bytes.len().min(peer.room);
        peer.room -= taken;
        peer.received.extend_from_slice(&bytes[..taken]);
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }
}

fn bury(audience: &mut Audience<usize>, peers: &mut [Peer], gone: impl IntoIterator<Item = (ViewerId, Gone)>) {
    for (id, why) in gone {
        let Some((at, channel)) = audience.leave(id) else { continue };
        assert_eq!(peers[at].channel, channel);
        assert!(why != Gone::Closed || peers[at].broken);
        peers[at].gone = Some(why);
    }
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut audience: Audience<usize> = Audience::new(BOUNDS);
    let mut peers: Vec<Peer> = Vec::new();
    let mut letters = (b'a'..=b'z').cycle();
    let mut text = |len: usize| Bytes::from((0..len).filter_map(|_| letters.next()).collect::<Vec<u8>>());
    let present =
        |peers: &[Peer], viewer: usize| peers.get(viewer).filter(|peer| peer.gone.is_none()).map(|peer| peer.id);
    for step in steps {
        match step {
            Step::Enter { channel, opening } => {
                let (own, shared) = (text(opening / 2), text(opening));
                let at = peers.len();
                let due = [&own[..], &shared[..]].concat();
                let newcomer = Newcomer { socket: at, channel, opening: [own, shared], ping: false };
                let id = audience.enter(newcomer, 0);
                peers.push(Peer { room: 100, due, channel, id, ..Peer::default() });
                let resumed = audience.resume(id, 0, &mut send(&mut peers));
                bury(&mut audience, &mut peers, resumed.err().map(|why| (id, why)));
            }
            Step::Publish { channel, len } => {
                let frame = text(len);
                for peer in peers.iter_mut().filter(|peer| peer.channel == channel && peer.gone.is_none()) {
                    peer.due.extend_from_slice(&frame);
                }
                audience.publish(channel, frame, None);
            }
            Step::Sweep => {
                let mut gone = Vec::new();
                audience.sweep(0, &mut send(&mut peers), &mut gone);
                bury(&mut audience, &mut peers, gone);
                prop_assert!(audience.held() <= BOUNDS.all_rings_bytes);
            }
            Step::Room { viewer, bytes } => {
                let Some(id) = present(&peers, viewer) else { continue };
                peers[viewer].room += bytes;
                let resumed = audience.resume(id, 0, &mut send(&mut peers));
                bury(&mut audience, &mut peers, resumed.err().map(|why| (id, why)));
            }
            Step::Between { viewer } => {
                let Some(id) = present(&peers, viewer) else { continue };
                let beat = text(7);
                let before = peers[viewer].received.len();
                let sent = audience.send_between(id, &beat, 0, &mut send(&mut peers));
                match sent {
                    Ok(true) => peers[viewer].due.extend_from_slice(&beat),
                    Ok(false) => prop_assert_eq!(peers[viewer].received.len(), before),
                    Err(why) => bury(&mut audience, &mut peers, [(id, why)]),
                }
            }
            Step::Break { viewer } => {
                if let Some(peer) = peers.get_mut(viewer) {
                    peer.broken = true;
                }
            }
            Step::Leave { viewer } => {
                let Some(id) = present(&peers, viewer) else { continue };
                bury(&mut audience, &mut peers, [(id, Gone::Dismissed)]);
                prop_assert!(audience.leave(id).is_none(), "once");
            }
        }
        for peer in &peers {
            prop_assert!(peer.due.starts_with(&peer.received), "{} of {}", peer.received.len(), peer.due.len());
        }
    }
    // Whoever still has a sound connection and room gets all, or has been lapped.
    for peer in &mut peers {
        peer.room = usize::MAX;
    }
    let mut gone = Vec::new();
    audience.sweep(0, &mut send(&mut peers), &mut gone);
    bury(&mut audience, &mut peers, gone);
    for viewer in 0..peers.len() {
        let Some(id) = present(&peers, viewer) else { continue };
        let resumed = audience.resume(id, 0, &mut send(&mut peers));
        bury(&mut audience, &mut peers, resumed.err().map(|why| (id, why)));
    }
    for (viewer, peer) in peers.iter().enumerate() {
        if peer.gone.is_none() {
            // A broken one to which nothing was sent since has not been found out.
            prop_assert!(peer.broken || peer.received == peer.due);
            prop_assert!(peer.broken || audience.is_level(peer.id), "{}", viewer);
        }
    }
    prop_assert_eq!(audience.len(), peers.iter().filter(|peer| peer.gone.is_none()).count());
    let rest: Vec<ViewerId> = audience.ids().collect();
    bury(&mut audience, &mut peers, rest.into_iter().map(|id| (id, Gone::Dismissed)));
    prop_assert_eq!((audience.len(), audience.held(), audience.owed.is_empty()), (0, 0, true));
    prop_assert!(audience.channels.iter().all(Option::is_none));
    Ok(())
}

/// A viewer that has come and, after its opening of one byte, takes `room`.
fn come(audience: &mut Audience<usize>, peers: &mut Vec<Peer>, channel: usize, opening: Bytes, room: usize) {
    let newcomer = Newcomer { socket: peers.len(), channel, opening: [Bytes::new(), opening], ping: false };
    let id = audience.enter(newcomer, 0);
    peers.push(Peer { room, channel, id, ..Peer::default() });
    audience.resume(id, 0, &mut send(peers)).expect("sound");
}

#[test]
fn viewers_who_stand_still_on_some_channels_do_not_cost_others_their_place() {
    let mut audience: Audience<usize> = Audience::new(BOUNDS);
    let mut peers = Vec::new();
    let mut gone = Vec::new();
    for channel in 0..3 {
        come(&mut audience, &mut peers, channel, Bytes::from_static(b"o"), if channel < 2 { 1 } else { 11 });
    }
    for round in 0..20 {
        for channel in [0, 1] {
            audience.publish(channel, Bytes::from(vec![b'x'; 20]), None);
        }
        if round == 10 {
            // It takes half of this, and the rest a little later.
            audience.publish(2, Bytes::from(vec![b'y'; 20]), None);
        }
        audience.sweep(0, &mut send(&mut peers), &mut gone);
        assert!(audience.held() <= BOUNDS.all_rings_bytes);
    }
    assert!(gone.iter().all(|(id, _)| *id != peers[2].id), "{gone:?}");
    peers[2].room = 100;
    let id = peers[2].id;
    audience.resume(id, 0, &mut send(&mut peers)).expect("it was a little behind only");
    assert_eq!(peers[2].received.len(), 21);
}

#[test]
fn openings_that_are_not_taken_are_bounded_with_the_rings() {
    let mut audience: Audience<usize> = Audience::new(BOUNDS);
    let (mut peers, mut gone) = (Vec::new(), Vec::new());
    for n in 0_u8..20 {
        come(&mut audience, &mut peers, 0, Bytes::from(vec![n; 100]), 10);
        audience.sweep(0, &mut send(&mut peers), &mut gone);
        assert!(audience.held() <= BOUNDS.all_rings_bytes, "{}", audience.held());
    }
    let newest = peers[19].id;
    assert!(gone.len() >= 15 && gone.iter().all(|(id, why)| *id != newest && *why == Gone::Lapped));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_sockets_take_everybody_gets_its_channel_byte_by_byte_or_is_gone(steps in steps()) {
        run(steps)?;
    }
}
