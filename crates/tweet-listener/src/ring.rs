//! What a channel has to send, under absolute byte positions.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Bytes, BytesMut};

/// Frames that come together are joined up to this size, so that all who need them share one buffer and one write.
const BLOCK: usize = 64 * 1024;
/// What an entry of the ring costs beside its bytes.
const OVERHEAD: usize = 64;
/// Blocks that one write may gather.
const GATHERED: usize = 32;

/// The bytes of a channel's frames that some viewer may still need; bounded, oldest dropped first. A viewer's cursor is a
/// position in the stream of all bytes that the channel ever had.
#[derive(Debug)]
pub struct Ring {
    /// With the position of each one's first byte, without a gap.
    blocks: VecDeque<(u64, Bytes)>,
    /// Frames that came since the last [`Ring::seal`].
    fresh: Vec<Bytes>,
    /// The position behind the last byte of the blocks.
    sealed: u64,
    /// The position behind the last byte of all.
    head: u64,
    held: usize,
    max_bytes: usize,
}

/// The ring has dropped bytes that a cursor had not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Lapped;

impl Ring {
    /// An empty ring that keeps at most `max_bytes`, and always what came last.
    pub fn new(max_bytes: usize) -> Self {
        Self { blocks: VecDeque::new(), fresh: Vec::new(), sealed: 0, head: 0, held: 0, max_bytes }
    }

    /// Where a viewer that has everything so far stands.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Whether what a cursor needs has been dropped.
    pub fn has_lapped(&self, cursor: u64) -> bool {
        cursor < self.blocks.front().map_or(self.sealed, |(start, _)| *start)
    }

    /// Whether nothing can be read behind a cursor.
    pub fn is_read(&self, cursor: u64) -> bool {
        cursor >= self.sealed
    }

    /// What it takes, in bytes.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Adds a frame, which can be read after [`Ring::seal`].
    pub fn push(&mut self, frame: Bytes) {
        self.head += frame.len() as u64;
        self.held += frame.len() + OVERHEAD;
        self.fresh.push(frame);
    }

    /// Joins what was pushed, and drops the oldest beyond the bound.
    pub fn seal(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        self.held -= OVERHEAD * fresh.len();
        let mut frames = fresh.drain(..).peekable();
        while let Some(first) = frames.next() {
            let block = if frames.peek().is_none() {
                first
            } else {
                let mut block = BytesMut::from(first);
                while let Some(frame) = frames.next_if(|frame| block.len() + frame.len() <= BLOCK) {
                    block.extend_from_slice(&frame);
                }
                block.freeze()
            };
            let start = self.sealed;
            self.sealed += block.len() as u64;
            self.held += OVERHEAD;
            self.blocks.push_back((start, block));
        }
        drop(frames);
        self.fresh = fresh;
        while self.held > self.max_bytes && self.blocks.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Drops the oldest block; false where there is none.
    pub fn drop_oldest(&mut self) -> bool {
        let Some((_, dropped)) = self.blocks.pop_front() else { return false };
        self.held -= dropped.len() + OVERHEAD;
        true
    }

    /// Drops what lies wholly before `position`: nobody needs it any more.
    pub fn release(&mut self, position: u64) {
        while self.blocks.front().is_some_and(|(start, block)| start + block.len() as u64 <= position) {
            self.drop_oldest();
        }
        if self.blocks.is_empty() && self.blocks.capacity() > GATHERED {
            self.blocks = VecDeque::new();
        }
    }

    /// What a cursor has not read, in slices for one write; empty where it has everything.
    ///
    /// # Errors
    /// [`Lapped`].
    pub fn pending(&self, cursor: u64) -> Result<Pending<'_>, Lapped> {
        if self.has_lapped(cursor) {
            return Err(Lapped);
        }
        if self.is_read(cursor) {
            return Ok(Pending::Nothing);
        }
        let rest = |start: u64, block: &Bytes| usize::try_from(cursor.saturating_sub(start)).unwrap_or(block.len());
        // Most cursors stand in the last block.
        if let Some((start, block)) = self.blocks.back().filter(|(start, _)| *start <= cursor) {
            return Ok(Pending::One([IoSlice::new(&block[rest(*start, block)..])]));
        }
        let at = self.blocks.partition_point(|(start, _)| *start <= cursor) - 1;
        let slices = self.blocks.range(at..).take(GATHERED);
        Ok(Pending::Many(slices.map(|(start, block)| IoSlice::new(&block[rest(*start, block)..])).collect()))
    }
}

/// Slices of a ring for one write.
#[derive(Debug)]
pub enum Pending<'a> {
    /// The cursor has everything.
    Nothing,
    /// What nearly all need nearly always.
    One([IoSlice<'a>; 1]),
    /// For who is far behind.
    Many(Vec<IoSlice<'a>>),
}

impl<'a> Pending<'a> {
    /// The slices, none of them empty.
    pub fn slices(&self) -> &[IoSlice<'a>] {
        match self {
            Self::Nothing => &[],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// All bytes of a write.
#[cfg(test)]
pub fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
    slices.iter().flat_map(|slice| slice.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `max` bytes at most.
    fn read(ring: &Ring, cursor: &mut u64, max: usize) -> Result<Vec<u8>, Lapped> {
        let mut bytes = joined(ring.pending(*cursor)?.slices());
        bytes.truncate(max);
        *cursor += bytes.len() as u64;
        Ok(bytes)
    }

    proptest! {
        /// Whatever is pushed, sealed, released and read in whatever turns and pieces, a cursor gets every byte once and
        /// in order, or learns that it was lapped; and the ring stays within its bound.
        #[test]
        fn a_cursor_reads_every_byte_once_and_in_order_or_is_lapped(
            steps in proptest::collection::vec((0_usize..6, 0_usize..90, any::<bool>()), 1..60),
            max_bytes in 70_usize..900,
        ) {
            let mut ring = Ring::new(max_bytes);
            let (mut all, mut received) = (Vec::new(), Vec::new());
            let mut cursor = ring.head();
            let mut pushed = 0_u64;
            for (pushes, piece, release) in steps {
                for _ in 0..pushes {
                    let frame = format!("{pushed};");
                    all.extend_from_slice(frame.as_bytes());
                    ring.push(Bytes::from(frame));
                    pushed += 1;
                }
                ring.seal();
                prop_assert!(ring.held() <= max_bytes || ring.blocks.len() == 1);
                match read(&ring, &mut cursor, piece) {
                    Ok(bytes) => received.extend_from_slice(&bytes),
                    Err(Lapped) => {
                        // It comes again, and gets what it missed elsewhere.
                        cursor = ring.head();
                        received.clone_from(&all);
                    }
                }
                prop_assert_eq!(&received[..], &all[..usize::try_from(cursor).expect("small")]);
                if release {
                    ring.release(cursor);
                }
            }
            ring.release(ring.head());
            prop_assert_eq!(ring.held(), 0);
        }
    }

    #[test]
    fn frames_that_come_together_are_one_buffer_and_one_alone_is_not_copied() {
        let mut ring = Ring::new(1 << 20);
        let alone = Bytes::from_static(b"alone");
        ring.push(alone.clone());
        ring.seal();
        assert_eq!(ring.pending(0).expect("there").slices()[0].as_ptr(), alone.as_ptr());
        for frame in ["a", "b", "c"] {
            ring.push(Bytes::from_static(frame.as_bytes()));
        }
        ring.seal();
        let pending = ring.pending(5).expect("there");
        assert_eq!((pending.slices().len(), &*pending.slices()[0]), (1, &b"abc"[..]));
        assert_eq!(joined(ring.pending(6).expect("there").slices()), b"bc");
        assert_eq!(joined(ring.pending(2).expect("there").slices()), b"oneabc");
    }

    #[test]
    fn a_frame_larger_than_the_bound_is_kept_until_the_next() {
        let mut ring = Ring::new(4);
        ring.push(Bytes::from_static(b"larger than four"));
        ring.seal();
        assert_eq!(joined(ring.pending(0).expect("there").slices()), b"larger than four");
        ring.push(Bytes::from_static(b"next"));
        ring.seal();
        assert_eq!(ring.pending(0).err(), Some(Lapped));
    }
}
