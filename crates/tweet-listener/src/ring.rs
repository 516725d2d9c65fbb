//! The last frames of a channel, under absolute sequence numbers.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Frames that every viewer of a channel reads with a cursor of its own; bounded, oldest dropped first.
#[derive(Debug)]
pub struct Ring {
    frames: VecDeque<Bytes>,
    /// The sequence number of the oldest frame that is still there.
    first: u64,
    bytes: usize,
    max_bytes: usize,
}

/// The ring has dropped frames that a cursor had not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Lapped;

impl Ring {
    /// An empty ring that keeps at most `max_bytes` of frames, and always the newest one.
    pub fn new(max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), first: 0, bytes: 0, max_bytes }
    }

    /// Where a viewer that has everything so far stands.
    pub fn head(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Adds a frame.
    pub fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        while self.bytes > self.max_bytes && self.frames.len() > 1 {
            if let Some(dropped) = self.frames.pop_front() {
                self.bytes -= dropped.len();
                self.first += 1;
            }
        }
    }

    /// Everything from `cursor` on, about `max_bytes` at a time, in one piece; moves the cursor past it. `None` where
    /// there is nothing.
    ///
    /// # Errors
    /// [`Lapped`] where frames at the cursor are gone.
    pub fn read(&self, cursor: &mut u64, max_bytes: usize) -> Result<Option<Bytes>, Lapped> {
        let Some(skip) = cursor.checked_sub(self.first) else { return Err(Lapped) };
        let skip = usize::try_from(skip).map_err(|_| Lapped)?;
        let mut pending = self.frames.iter().skip(skip);
        let Some(frame) = pending.next() else { return Ok(None) };
        *cursor += 1;
        let Some(second) = pending.next() else { return Ok(Some(frame.clone())) };
        let mut piece = BytesMut::with_capacity(frame.len() + second.len());
        piece.extend_from_slice(frame);
        let mut following = Some(second);
        while let Some(frame) = following.filter(|frame| piece.len() + frame.len() <= max_bytes) {
            piece.extend_from_slice(frame);
            *cursor += 1;
            following = pending.next();
        }
        Ok(Some(piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is pushed and read in whatever turns, a viewer gets every frame once and in order, or learns that
        /// it was lapped.
        #[test]
        fn a_cursor_reads_every_frame_once_and_in_order_or_is_lapped(
            steps in proptest::collection::vec((0_usize..6, any::<bool>()), 1..60),
            max_bytes in 8_usize..200,
            piece in 1_usize..40,
        ) {
            let mut ring = Ring::new(max_bytes);
            let (mut pushed, mut received) = (0_u64, Vec::new());
            let mut cursor = ring.head();
            for (pushes, reads) in steps {
                for _ in 0..pushes {
                    ring.push(Bytes::from(format!("{pushed};")));
                    pushed += 1;
                }
                while reads && cursor != ring.head() {
                    match ring.read(&mut cursor, piece) {
                        Ok(bytes) => received.extend_from_slice(&bytes.expect("the cursor is behind the head")),
                        Err(Lapped) => {
                            prop_assert!(ring.bytes <= max_bytes || ring.frames.len() == 1);
                            cursor = ring.head();
                            received.clear();
                            received.extend((0..pushed).flat_map(|n| format!("{n};").into_bytes()));
                        }
                    }
                }
                if cursor == ring.head() {
                    let all: Vec<u8> = (0..pushed).flat_map(|n| format!("{n};").into_bytes()).collect();
                    prop_assert_eq!(&received, &all);
                }
            }
        }
    }

    #[test]
    fn a_frame_larger_than_the_bound_is_kept_until_the_next() {
        let mut ring = Ring::new(4);
        ring.push(Bytes::from_static(b"larger than four"));
        let mut cursor = 0;
        assert_eq!(ring.read(&mut cursor, 1).expect("there"), Some(Bytes::from_static(b"larger than four")));
        ring.push(Bytes::from_static(b"next"));
        assert_eq!(ring.read(&mut 0, 1), Err(Lapped));
    }
}
