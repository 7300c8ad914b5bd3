//! A cursor: a few bytes that are replaced as a whole and survive a crash.
//!
//! ```text
//! magic "SPOOLCUR" | version u16 | zero u16 | length u32 | crc32c of all but the magic u32 | bytes
//! ```
//! All little-endian. Stored beside, synced, renamed, and the folder synced: after a crash either
//! the old bytes or the new ones are there. Damage is an error and never read as "nothing stored".

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    CursorError,
    error::{Damage, IoFailure},
    files::{Disk, File, Files, read_up_to},
    segment::u32_at,
    shared::locked,
};

const MAGIC: &[u8; 8] = b"SPOOLCUR";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 20;
/// Of one write to the disk.
const BUFFER_BYTES: usize = 256 * 1024;

/// A crash-safe file for a cursor, an intent or a checkpoint.
pub struct CursorFile {
    files: Arc<dyn Files>,
    path: PathBuf,
    /// One store at a time: they share the file beside.
    storing: Mutex<()>,
}

impl CursorFile {
    /// Names the file; it need not exist, its folder is created if need be.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CursorError> {
        Self::open_on(Arc::new(Disk), path.into())
    }

    pub(crate) fn open_on(files: Arc<dyn Files>, path: PathBuf) -> Result<Self, CursorError> {
        let dir = dir_of(&path);
        files.create_dir_all(dir).map_err(|source| IoFailure::new("create", dir, source))?;
        Ok(Self { files, path, storing: Mutex::new(()) })
    }

    /// What was stored last; `None` if nothing ever was.
    pub fn load(&self) -> Result<Option<Vec<u8>>, CursorError> {
        let failed = |source| IoFailure::new("read", &self.path, source);
        let file = match self.files.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error).into()),
        };
        let bytes = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        let mut stored = vec![0; bytes];
        let filled = read_up_to(&*file, &mut stored, 0).map_err(failed)?;
        stored.truncate(filled);
        self.decode(stored).map(Some)
    }

    /// Replaces what was stored; durable when this returns.
    pub fn store(&self, bytes: &[u8]) -> Result<(), CursorError> {
        self.store_with(|out| out.write_all(bytes)).map(|_| ())
    }

    /// As [`Self::store`], for what is too large to be laid out in memory first: `fill` writes it.
    /// Returns its bytes.
    ///
    /// # Errors
    /// What the disk or `fill` says; what was stored before is still there then.
    pub fn store_with(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, CursorError> {
        let _one = locked(&self.storing);
        let beside = self.beside();
        let failed = |source| IoFailure::new("store", &self.path, source);
        match self.files.remove(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(error).into());
            }
            _ => {}
        }
        let file = self.files.create_new(&beside).map_err(failed)?;
        let mut body = Body::new(&*file);
        let filled = fill(&mut body).and_then(|()| body.flush());
        body.failure.take().map_or(filled, Err).map_err(failed)?;
        file.write_all_at(&header(body.bytes, body.crc), 0).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        self.files.rename(&beside, &self.path).map_err(failed)?;
        self.files.sync_dir(dir_of(&self.path)).map_err(failed)?;
        Ok(body.bytes.into())
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".tmp");
        name.into()
    }

    fn decode(&self, mut stored: Vec<u8>) -> Result<Vec<u8>, CursorError> {
        let damaged = |why| Damage { file: self.path.clone(), offset: 0, why };
        if stored.len() < HEADER_BYTES || !stored.starts_with(MAGIC) {
            return Err(damaged("not a cursor file").into());
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&stored[8..16]), &stored[HEADER_BYTES..]);
        if crc != u32_at(&stored, 16) {
            return Err(damaged("its checksum does not match").into());
        }
        match u16::from_le_bytes([stored[8], stored[9]]) {
            VERSION => {}
            found => return Err(CursorError::TooNew { path: self.path.clone(), found }),
        }
        if u32_at(&stored, 12) as usize != stored.len() - HEADER_BYTES {
            return Err(damaged("its length does not match").into());
        }
        Ok(stored.split_off(HEADER_BYTES))
    }
}

fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Writes behind the header and sums up what the header must say.
struct Body<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    /// In the file.
    bytes: u32,
    crc: u32,
    /// What the disk said: a serialiser in between may keep it to itself.
    failure: Option<io::Error>,
}

impl<'a> Body<'a> {
    fn new(file: &'a dyn File) -> Self {
        Self { file, buffer: Vec::with_capacity(BUFFER_BYTES), bytes: 0, crc: 0, failure: None }
    }
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        let taken = bytes.len().min(BUFFER_BYTES);
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let more = self.buffer.len() as u32;
        let bytes = self.bytes.checked_add(more).ok_or(io::ErrorKind::FileTooLarge)?;
        let at = HEADER_BYTES as u64 + u64::from(self.bytes);
        if let Err(error) = self.file.write_all_at(&self.buffer, at) {
            let kind = error.kind();
            self.failure = Some(error);
            return Err(kind.into());
        }
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.bytes = bytes;
        self.buffer.clear();
        Ok(())
    }
}

fn header(bytes: u32, crc: u32) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&bytes.to_le_bytes());
    let crc = crc32c::crc32c_combine(crc32c::crc32c(&out[8..16]), crc, bytes as usize);
    out[16..].copy_from_slice(&crc.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Vec<u8> {
        let mut out = header(bytes.len() as u32, crc32c::crc32c(bytes)).to_vec();
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn version_1_bytes_never_change() {
        let mut expected = b"SPOOLCUR\x01\0\0\0\x03\0\0\0".to_vec();
        let crc = crc32c::crc32c(b"\x01\0\0\0\x03\0\0\x003:4");
        expected.extend_from_slice(&crc.to_le_bytes());
        expected.extend_from_slice(b"3:4");
        assert_eq!(file(b"3:4"), expected);
        assert_eq!(crc, 0xf30b_4df7);
    }

    #[test]
    fn what_was_stored_last_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let cursor = CursorFile::open(dir.path().join("deep/er/cursor")).unwrap();
        assert_eq!(cursor.load().unwrap(), None);
        for bytes in [&b"first"[..], b"", b"the last one"] {
            cursor.store(bytes).unwrap();
            assert_eq!(cursor.load().unwrap().as_deref(), Some(bytes));
        }
        // More than a buffer, in pieces that do not fit it.
        let long: Vec<u8> = (0..3 * BUFFER_BYTES + 5).map(|at| (at % 251) as u8).collect();
        let bytes =
            cursor.store_with(|out| long.chunks(100_003).try_for_each(|part| out.write_all(part)));
        assert_eq!(bytes.unwrap(), long.len() as u64);
        assert_eq!(cursor.load().unwrap(), Some(long.clone()));
        let refused = cursor.store_with(|out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(refused.is_err());
        assert_eq!(cursor.load().unwrap(), Some(long), "as it was");
        cursor.store(b"the last one").unwrap();
        let again = CursorFile::open(dir.path().join("deep/er/cursor")).unwrap();
        assert_eq!(again.load().unwrap().as_deref(), Some(&b"the last one"[..]));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_reported_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let cursor = CursorFile::open(&path).unwrap();
        let good = file(b"some bytes");
        let mut broken: Vec<Vec<u8>> = (0..good.len()).map(|cut| good[..cut].to_vec()).collect();
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            broken.push(flipped);
        }
        for bytes in broken {
            std::fs::write(&path, &bytes).unwrap();
            let error = cursor.load().expect_err("damage");
            assert!(matches!(error, CursorError::Damaged(_)), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
