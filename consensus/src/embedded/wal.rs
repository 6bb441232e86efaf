//! The write-ahead log: what this node signed and saw at the height that is being decided, so that after a crash it signs
//! nothing else.
//!
//! The engine appends every vote it receives, but relies on an entry only after a flush. So entries are gathered in
//! memory, and a flush writes and syncs them as one frame: a hundred members cost no more system calls than four.
//!
//! The file: magic, height, then frames of length, checksum and entries. The checksum covers height and place, so that a
//! frame of an earlier height is never taken for one of this.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arc_malachitebft_app_channel::app::consensus::Input;
use arc_malachitebft_app_channel::app::engine::wal::{Msg, WalRef, decode_entry, encode_entry};
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, async_trait};

use super::codec::EngineCodec;
use super::context::{GuardianContext as Ctx, Height};
use crate::block::digest;

/// Domain tag of a frame's checksum.
const FRAME_TAG: &str = "guardian-circle/v1/wal-frame";

const MAGIC: [u8; 8] = *b"gc-wal-1";
const HEADER_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 8;
const FRAME_HEADER_BYTES: usize = 4 + CHECKSUM_BYTES;

/// The file, at its end.
struct WalFile {
    file: File,
    height: u64,
    frames: u64,
}

/// Entries found at start: those before any damage, and the damage.
type Entries = Vec<io::Result<Vec<u8>>>;

impl WalFile {
    fn open(path: &Path) -> io::Result<(Self, Entries)> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let header = bytes
            .split_at_checked(HEADER_BYTES)
            .filter(|(header, _)| header[..8] == MAGIC);
        let Some((header, mut rest)) = header else {
            // New, or cut off while it was begun anew, when nothing in it counted any more.
            return Ok((
                Self {
                    file,
                    height: 0,
                    frames: 0,
                },
                Vec::new(),
            ));
        };
        let height = u64::from_le_bytes(header[8..].try_into().expect("16 - 8 bytes"));
        let mut wal = Self {
            file,
            height,
            frames: 0,
        };
        let mut entries = Vec::new();
        let mut end = HEADER_BYTES;
        while let Some((frame, after)) = split_frame(rest) {
            let (sum, data) = frame.split_at(CHECKSUM_BYTES);
            if sum != checksum(height, wal.frames, data) {
                if !after.is_empty() {
                    let reason = format!("frame {} at height {height} is damaged", wal.frames);
                    entries.push(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                    return Ok((wal, entries));
                }
                break;
            }
            entries.extend(borsh::from_slice::<Vec<Vec<u8>>>(data)?.into_iter().map(Ok));
            wal.frames += 1;
            end += 4 + frame.len();
            rest = after;
        }
        // What follows was being written when the node stopped: nobody has relied on it.
        wal.file.set_len(end as u64)?;
        wal.file.seek(SeekFrom::Start(end as u64))?;
        Ok((wal, entries))
    }

    /// Begins anew for `height`.
    fn reset(&mut self, height: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file
            .write_all(&[MAGIC, height.to_le_bytes()].concat())?;
        self.file.sync_data()?;
        (self.height, self.frames) = (height, 0);
        Ok(())
    }

    /// Writes entries as one frame, synced.
    fn write(&mut self, entries: &[Vec<u8>]) -> io::Result<()> {
        let data = borsh::to_vec(entries)?;
        let length = u32::try_from(CHECKSUM_BYTES + data.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + data.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&checksum(self.height, self.frames, &data));
        frame.extend_from_slice(&data);
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.frames += 1;
        Ok(())
    }
}

/// The first frame (checksum and data), and what follows it; `None` if it is not whole.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length)
        .filter(|_| length >= CHECKSUM_BYTES)
}

fn checksum(height: u64, frame: u64, data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = digest(FRAME_TAG, &(height, frame, data));
    digest[..CHECKSUM_BYTES]
        .try_into()
        .expect("a digest has 32 bytes")
}

/// The engine's actor for it.
pub(crate) struct Wal;

pub(crate) struct State {
    /// Away while a blocking task uses it; gone for good after a failure.
    file: Option<WalFile>,
    found: Entries,
    /// The height that the engine has started.
    height: u64,
    gathered: Vec<Vec<u8>>,
}

impl Wal {
    pub async fn spawn(path: PathBuf) -> Result<WalRef<Ctx>, SpawnErr> {
        let (actor, _) = Actor::spawn(None, Wal, path).await?;
        Ok(actor)
    }
}

impl State {
    /// Runs `work` on the file where it holds up nobody else.
    async fn on_disk(
        &mut self,
        work: impl FnOnce(&mut WalFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let gone = || io::Error::other("the write-ahead log failed before");
        let mut file = self.file.take().ok_or_else(gone)?;
        let done = tokio::task::spawn_blocking(move || work(&mut file).map(|()| file)).await;
        self.file = Some(done.map_err(io::Error::other)??);
        Ok(())
    }

    async fn reset(&mut self, height: u64) -> io::Result<()> {
        self.found.clear();
        self.gathered.clear();
        self.height = height;
        self.on_disk(move |file| file.reset(height)).await
    }

    /// The entries of an earlier run at this height; otherwise begins anew.
    async fn started(&mut self, height: u64) -> io::Result<Vec<io::Result<Input<Ctx>>>> {
        if self.height == height {
            return Ok(Vec::new());
        }
        let recorded = self.file.as_ref().map(|file| file.height);
        if recorded != Some(height) {
            self.reset(height).await?;
            return Ok(Vec::new());
        }
        self.height = height;
        let entries = std::mem::take(&mut self.found).into_iter();
        let decode = |entry: Vec<u8>| decode_entry(&EngineCodec, entry.as_slice());
        Ok(entries.map(|entry| entry.and_then(decode)).collect())
    }

    fn append(&mut self, height: Height, entry: Input<Ctx>) -> io::Result<()> {
        if height.0 != self.height {
            // Of a height that is decided by now.
            return Ok(());
        }
        let mut bytes = Vec::new();
        encode_entry(entry, &EngineCodec, &mut bytes)?;
        self.gathered.push(bytes);
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.gathered);
        self.on_disk(move |file| file.write(&entries)).await
    }
}

#[async_trait]
impl Actor for Wal {
    type Msg = Msg<Ctx>;
    type State = State;
    type Arguments = PathBuf;

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        path: PathBuf,
    ) -> Result<State, ActorProcessingErr> {
        let (file, found) = tokio::task::spawn_blocking(move || WalFile::open(&path)).await??;
        Ok(State {
            file: Some(file),
            found,
            height: 0,
            gathered: Vec::new(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        message: Msg<Ctx>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // An error goes to the engine, which then stops signing; it may be gone already.
        match message {
            Msg::StartedHeight(height, reply) => {
                let entries = state.started(height.0).await;
                let _ = reply.send(entries.map_err(Into::into));
            }
            Msg::Reset(height, reply) => {
                let _ = reply.send(state.reset(height.0).await.map_err(Into::into));
            }
            Msg::Append(height, entry, reply) => {
                let _ = reply.send(state.append(height, entry).map_err(Into::into));
            }
            Msg::Flush(reply) => {
                let _ = reply.send(state.flush().await.map_err(Into::into));
            }
            Msg::Dump => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, frames: &[&[&str]]) {
        let (mut wal, _) = WalFile::open(path).unwrap();
        wal.reset(7).unwrap();
        for frame in frames {
            let entries: Vec<Vec<u8>> = frame
                .iter()
                .map(|entry| entry.as_bytes().to_vec())
                .collect();
            wal.write(&entries).unwrap();
        }
    }

    /// Height and entries as a restart finds them.
    fn found(path: &Path) -> String {
        let (wal, entries) = WalFile::open(path).unwrap();
        let entry = |entry: &io::Result<Vec<u8>>| match entry {
            Ok(entry) => String::from_utf8(entry.clone()).unwrap(),
            Err(error) => error.to_string(),
        };
        let entries: Vec<String> = entries.iter().map(entry).collect();
        format!("{}: {}", wal.height, entries.join(", "))
    }

    fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_was_flushed_is_found_and_a_torn_end_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        assert_eq!(found(&path), "0: ");
        written(&path, &[&["a", "b"], &["c"]]);
        assert_eq!(found(&path), "7: a, b, c");
        let whole = std::fs::read(&path).unwrap();
        let first = HEADER_BYTES + FRAME_HEADER_BYTES + 4 + 2 * (4 + 1);
        for length in 0..whole.len() {
            change(&path, |bytes| *bytes = whole[..length].to_vec());
            let expected = match length {
                _ if length < HEADER_BYTES => "0: ",
                _ if length < first => "7: ",
                _ => "7: a, b",
            };
            assert_eq!(found(&path), expected, "cut to {length} bytes");
        }
    }

    #[test]
    fn writing_goes_on_after_a_torn_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        written(&path, &[&["a"], &["torn"]]);
        change(&path, |bytes| bytes.truncate(bytes.len() - 1));
        let (mut wal, entries) = WalFile::open(&path).unwrap();
        assert_eq!(entries.len(), 1);
        wal.write(&[b"next".to_vec()]).unwrap();
        drop(wal);
        assert_eq!(found(&path), "7: a, next");
    }

    #[test]
    fn damage_before_the_end_is_reported_not_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        written(&path, &[&["a"], &["b"], &["c"]]);
        let frame = FRAME_HEADER_BYTES + 4 + 4 + 1;
        change(&path, |bytes| bytes[HEADER_BYTES + 2 * frame - 1] ^= 1);
        assert_eq!(found(&path), "7: a, frame 1 at height 7 is damaged");
    }

    #[test]
    fn frames_of_another_height_are_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        written(&path, &[&["a"]]);
        change(&path, |bytes| bytes[8] = 8);
        assert_eq!(found(&path), "8: ");
    }

    #[test]
    fn nobody_else_opens_a_log_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (_held, _) = WalFile::open(&path).unwrap();
        assert!(WalFile::open(&path).is_err());
    }
}
