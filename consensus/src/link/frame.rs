//! What travels inside an encrypted record: chunks of messages, credit, pings, and the farewell.
//!
//! A record's plaintext is a sequence of frames, at most [`RECORD_PLAIN_MAX`] bytes. All numbers are little-endian.
//!
//! ```text
//! 0x10 | channel   total: u32, length: u16, bytes      the first chunk of a message of `total` bytes
//! 0x20 | channel   length: u16, bytes                  a further chunk
//! 0x30 | channel   amount: u32                         the sender of this frame grants so much more credit
//! 0x40                                                 ping
//! 0x50             reason: u8                          the sender of this frame ends the link
//! ```

use bytes::Bytes;

use super::config::Channel;

/// Plaintext bytes of one record at most. Small, because what is in a record cannot be overtaken any more.
pub(super) const RECORD_PLAIN_MAX: usize = 16 * 1024;
/// What Noise adds to a record.
pub(super) const RECORD_TAG: usize = 16;
/// The length prefix of a record.
pub(super) const RECORD_PREFIX: usize = 2;
/// Credit that a message costs beside its bytes, so that many empty messages have a price too.
pub(super) const MESSAGE_OVERHEAD: u32 = 64;

const BEGIN: u8 = 0x10;
const CONTINUE: u8 = 0x20;
const CREDIT: u8 = 0x30;
const PING: u8 = 0x40;
const CLOSE: u8 = 0x50;

/// Header bytes of a first chunk.
pub(super) const BEGIN_HEADER: usize = 1 + 4 + 2;
/// Header bytes of a further chunk.
pub(super) const CONTINUE_HEADER: usize = 1 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Begin {
        channel: Channel,
        total: u32,
        bytes: &'a [u8],
    },
    Continue {
        channel: Channel,
        bytes: &'a [u8],
    },
    Credit {
        channel: Channel,
        amount: u32,
    },
    Ping,
    Close(u8),
}

/// Bytes of an authenticated peer that break the protocol; the link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Violation(pub &'static str);

impl Frame<'_> {
    /// Appends the frame. Chunks must be below 64 KiB, which [`RECORD_PLAIN_MAX`] guarantees.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Frame::Begin {
                channel,
                total,
                bytes,
            } => {
                out.push(BEGIN | channel as u8);
                out.extend_from_slice(&total.to_le_bytes());
                out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Frame::Continue { channel, bytes } => {
                out.push(CONTINUE | channel as u8);
                out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Frame::Credit { channel, amount } => {
                out.push(CREDIT | channel as u8);
                out.extend_from_slice(&amount.to_le_bytes());
            }
            Frame::Ping => out.push(PING),
            Frame::Close(reason) => out.extend_from_slice(&[CLOSE, reason]),
        }
    }
}

/// Reads the frames of one record, strictly.
pub(super) struct Frames<'a>(pub &'a [u8]);

impl<'a> Frames<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Violation("a frame is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Violation> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, Violation> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    fn chunk(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_le_bytes([length[0], length[1]])))
    }

    fn frame(&mut self) -> Result<Frame<'a>, Violation> {
        let tag = self.u8()?;
        let channel =
            || Channel::from_index(tag & 0x0f).ok_or(Violation("a frame names no known channel"));
        match tag & 0xf0 {
            BEGIN => Ok(Frame::Begin {
                channel: channel()?,
                total: self.u32()?,
                bytes: self.chunk()?,
            }),
            CONTINUE => Ok(Frame::Continue {
                channel: channel()?,
                bytes: self.chunk()?,
            }),
            CREDIT => Ok(Frame::Credit {
                channel: channel()?,
                amount: self.u32()?,
            }),
            _ if tag == PING => Ok(Frame::Ping),
            _ if tag == CLOSE => Ok(Frame::Close(self.u8()?)),
            _ => Err(Violation("a frame of unknown kind")),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let frame = self.frame();
        if frame.is_err() {
            self.0 = &[];
        }
        Some(frame)
    }
}

/// Puts the chunks of one channel together again.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    partial: Option<(usize, Vec<u8>)>,
}

impl Assembly {
    /// Takes a first chunk; yields the message if it is whole.
    pub(super) fn begin(
        &mut self,
        total: u32,
        limit: u32,
        bytes: &[u8],
    ) -> Result<Option<Bytes>, Violation> {
        if self.partial.is_some() {
            return Err(Violation("a message begins before the last one ended"));
        }
        if total > limit {
            return Err(Violation("a message is longer than we said we take"));
        }
        let total = total as usize;
        if bytes.len() > total {
            return Err(Violation("a chunk is longer than its message"));
        }
        if bytes.len() == total {
            return Ok(Some(Bytes::copy_from_slice(bytes)));
        }
        if bytes.is_empty() {
            return Err(Violation("an empty chunk"));
        }
        // Memory follows what has arrived, not what was announced.
        self.partial = Some((total, bytes.to_vec()));
        Ok(None)
    }

    /// Takes a further chunk; yields the message if it is whole.
    pub(super) fn proceed(&mut self, bytes: &[u8]) -> Result<Option<Bytes>, Violation> {
        let Some((total, mut buffer)) = self.partial.take() else {
            return Err(Violation("a chunk continues no message"));
        };
        if bytes.is_empty() {
            return Err(Violation("an empty chunk"));
        }
        if bytes.len() > total - buffer.len() {
            return Err(Violation("a chunk is longer than the rest of its message"));
        }
        if buffer.capacity() < buffer.len() + bytes.len() {
            // Doubling, but never beyond the message, so that the finished buffer wastes nothing.
            let target = (buffer.len() * 2)
                .max(buffer.len() + bytes.len())
                .min(total);
            buffer.reserve_exact(target - buffer.len());
        }
        buffer.extend_from_slice(bytes);
        if buffer.len() == total {
            return Ok(Some(Bytes::from(buffer)));
        }
        self.partial = Some((total, buffer));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn read(bytes: &[u8]) -> String {
        Frames(bytes)
            .map(|frame| match frame {
                Ok(frame) => format!("{frame:?}\n"),
                Err(error) => format!("refused: {error}\n"),
            })
            .collect()
    }

    #[test]
    fn the_bytes_of_every_frame_are_fixed() {
        let mut out = Vec::new();
        for frame in [
            Frame::Begin {
                channel: Channel::Blocks,
                total: 0x0102_0304,
                bytes: b"ab",
            },
            Frame::Continue {
                channel: Channel::Consensus,
                bytes: b"c",
            },
            Frame::Credit {
                channel: Channel::Forensics,
                amount: 5,
            },
            Frame::Ping,
            Frame::Close(2),
        ] {
            frame.write(&mut out);
        }
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["120403020102006162200100633305000000405002"].assert_eq(&hex);
        expect![[r#"
            Begin { channel: Blocks, total: 16909060, bytes: [97, 98] }
            Continue { channel: Consensus, bytes: [99] }
            Credit { channel: Forensics, amount: 5 }
            Ping
            Close(2)
        "#]]
        .assert_eq(&read(&out));
    }

    #[test]
    fn malformed_frames_are_refused() {
        let check =
            |bytes: &[u8], expected: &str| assert_eq!(read(bytes), expected, "{bytes:02x?}");
        check(
            &[0x14, 0, 0, 0, 0, 0, 0],
            "refused: a frame names no known channel\n",
        );
        check(
            &[0x10, 1, 0, 0, 0, 2, 0, 9],
            "refused: a frame is cut short\n",
        );
        check(&[0x20, 1], "refused: a frame is cut short\n");
        check(&[0x41], "refused: a frame of unknown kind\n");
        check(&[0x00], "refused: a frame of unknown kind\n");
        check(&[0x40, 0xff], "Ping\nrefused: a frame of unknown kind\n");
    }

    #[test]
    fn chunks_become_the_message_and_nothing_else_does() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.begin(0, 9, b""), Ok(Some(Bytes::new())));
        assert_eq!(assembly.begin(5, 9, b"ab"), Ok(None));
        assert_eq!(assembly.proceed(b"cd"), Ok(None));
        assert_eq!(
            assembly.proceed(b"e"),
            Ok(Some(Bytes::from_static(b"abcde")))
        );

        assert!(assembly.proceed(b"x").is_err(), "continues nothing");
        assert!(assembly.begin(10, 9, b"x").is_err(), "above the limit");
        assert!(assembly.begin(1, 9, b"xy").is_err(), "first chunk too long");
        assert!(assembly.begin(1, 9, b"").is_err(), "no progress");
        assert_eq!(assembly.begin(3, 9, b"a"), Ok(None));
        assert!(assembly.begin(3, 9, b"a").is_err(), "begins twice");
        assert!(assembly.proceed(b"bcd").is_err(), "overruns");
    }
}
