//! Where the body of an HTTP/1.1 message ends (RFC 9112, sections 6 and 7).

use crate::http::Head;

/// What a peer sent that is no HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not HTTP/1.1: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// Reads the bytes of one body out of what comes on its connection.
#[derive(Debug)]
pub struct Body(Framing);

#[derive(Debug)]
enum Framing {
    /// This many bytes more.
    Length(u64),
    /// All until the connection ends.
    UntilClose,
    Chunked(Chunk),
}

#[derive(Debug)]
enum Chunk {
    /// In the line with the size; whether a digit has come, and whether they are over.
    Size {
        size: u64,
        digits: bool,
        over: bool,
    },
    /// In the data: this many bytes more.
    Data(u64),
    /// In the line break behind the data.
    Break,
    /// In the lines behind the last chunk; whether the present one is empty so far.
    Trailer {
        empty: bool,
    },
    Done,
}

impl Body {
    /// The body that follows `head`, the head of an answer to a request other than HEAD.
    ///
    /// # Errors
    /// A length that is no number.
    pub fn of(head: &Head) -> Result<Self, Malformed> {
        if matches!(head.status, 100..=199 | 204 | 304) {
            return Ok(Self(Framing::Length(0)));
        }
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok(Self(Framing::Chunked(Chunk::Size { size: 0, digits: false, over: false })));
        }
        match head.header("content-length") {
            Some(length) => {
                length.parse().map(|length| Self(Framing::Length(length))).map_err(|_| Malformed("content-length"))
            }
            None => Ok(Self(Framing::UntilClose)),
        }
    }

    /// Whether nothing more belongs to it.
    pub fn is_complete(&self) -> bool {
        matches!(self.0, Framing::Length(0) | Framing::Chunked(Chunk::Done))
    }

    /// Whether it ends with its connection, and not before.
    pub fn lasts_until_close(&self) -> bool {
        matches!(self.0, Framing::UntilClose)
    }

    /// The next bytes of the body out of `bytes`, which is cut by what was read; `None` when more must come, or nothing.
    ///
    /// # Errors
    /// Chunks that are none.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        match &mut self.0 {
            Framing::UntilClose => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Framing::Length(left) => Ok(take(bytes, left)),
            Framing::Chunked(chunk) => next_of_chunks(chunk, bytes),
        }
    }
}

/// At most `left` of `bytes`.
fn take<'a>(bytes: &mut &'a [u8], left: &mut u64) -> Option<&'a [u8]> {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    *left -= count as u64;
    Some(taken).filter(|taken| !taken.is_empty())
}

fn next_of_chunks<'a>(chunk: &mut Chunk, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    loop {
        if let Chunk::Data(left) = chunk {
            let taken = take(bytes, left);
            if *left == 0 {
                *chunk = Chunk::Break;
            }
            if taken.is_some() {
                return Ok(taken);
            }
        }
        if matches!(chunk, Chunk::Done) {
            return Ok(None);
        }
        let Some((byte, rest)) = bytes.split_first() else { return Ok(None) };
        *bytes = rest;
        match chunk {
            Chunk::Size { size, digits, over } => match (byte, (*byte as char).to_digit(16)) {
                (b'\n', _) if *digits && *size == 0 => *chunk = Chunk::Trailer { empty: true },
                (b'\n', _) if *digits => *chunk = Chunk::Data(*size),
                (_, Some(digit)) if !*over => {
                    *digits = true;
                    *size = size.checked_mul(16).ok_or(Malformed("the size of a chunk"))? + u64::from(digit);
                }
                // An extension, or the line's CR.
                (b';' | b'\r' | b' ' | b'\t', _) if *digits => *over = true,
                _ if *over => {}
                _ => return Err(Malformed("the size of a chunk")),
            },
            Chunk::Break => match byte {
                b'\r' => {}
                b'\n' => *chunk = Chunk::Size { size: 0, digits: false, over: false },
                _ => return Err(Malformed("a chunk longer than its size")),
            },
            Chunk::Trailer { empty } => match byte {
                b'\n' if *empty => *chunk = Chunk::Done,
                b'\n' => *empty = true,
                b'\r' => {}
                _ => *empty = false,
            },
            Chunk::Data(_) | Chunk::Done => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunked() -> Body {
        Body(Framing::Chunked(Chunk::Size { size: 0, digits: false, over: false }))
    }

    fn read(body: &mut Body, mut bytes: &[u8]) -> (Vec<u8>, usize) {
        let mut all = Vec::new();
        while let Some(piece) = body.next(&mut bytes).expect("well formed") {
            all.extend_from_slice(piece);
        }
        (all, bytes.len())
    }

    #[test]
    fn chunks_end_at_the_empty_one_and_what_follows_is_not_theirs() {
        let mut body = chunked();
        let (all, left) =
            read(&mut body, b"5\r\nhello\r\n7;name=\"a\"\r\n, world\r\n0\r\nDigest: x\r\n\r\nHTTP/1.1 200 OK");
        assert_eq!((all.as_slice(), left), (b"hello, world".as_slice(), 15));
        assert!(body.is_complete());
    }

    #[test]
    fn a_chunk_that_is_none_is_refused() {
        for bad in [b"\r\n".as_slice(), b"x\r\n", b"1\r\nab\r\n", b"fffffffffffffffff\r\n"] {
            let (mut body, mut bytes) = (chunked(), bad);
            let outcome = std::iter::from_fn(|| body.next(&mut bytes).transpose()).find(Result::is_err);
            assert!(outcome.is_some(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let mut body = Body(Framing::Length(5));
        assert_eq!(read(&mut body, b"hel"), (b"hel".to_vec(), 0));
        assert!(!body.is_complete());
        assert_eq!(read(&mut body, b"lo, world"), (b"lo".to_vec(), 7));
        assert!(body.is_complete());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_chunks_are_cut(
            chunks in prop::collection::vec("[a-z\r\n]{1,20}", 0..5),
            cuts in prop::collection::vec(0_usize..200, 0..8),
        ) {
            let chunk = |chunk: &String| format!("{:x}\r\n{chunk}\r\n", chunk.len());
            let wire = chunks.iter().map(chunk).chain(["0\r\n\r\n".to_owned()]).collect::<Vec<_>>().concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let (mut body, mut all) = (chunked(), Vec::new());
            for cut in cuts.windows(2) {
                all.extend(read(&mut body, &wire.as_bytes()[cut[0]..cut[1]]).0);
            }
            prop_assert_eq!(all, chunks.concat().into_bytes());
            prop_assert!(body.is_complete());
        }
    }
}
