//! A disk in memory that behaves as badly as a real one may.
//!
//! What was not synced may be lost at a power loss, page by page and name by name; a failed sync
//! forgets what it had to write; room runs out in the middle of a write; everything stops working
//! after a number of operations.
//!
//! Not for production: the log's own tests, the simulation and the fuzzing run on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::files::{File, Files, Lock};

/// Small, so that a record spans several and a log has many.
const PAGE: usize = 64;

#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    /// Bytes that files may still grow by.
    room: Option<usize>,
    fail_next_sync: bool,
    fail_next_write: bool,
    /// Operations until nothing works any more.
    fuse: Option<usize>,
    /// Handles of an earlier boot are dead.
    boot: u64,
    locked: bool,
}

#[derive(Default)]
struct Inode {
    cache: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
}

/// What ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The system lives on, and with it everything that was written.
    Killed,
    PowerLoss,
}

impl FaultyDisk {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no test panics inside")
    }

    pub fn room(&self, room: Option<usize>) {
        self.state().room = room;
    }

    pub fn fail_next_sync(&self) {
        self.state().fail_next_sync = true;
    }

    pub fn fail_next_write(&self) {
        self.state().fail_next_write = true;
    }

    pub fn fuse(&self, operations: Option<usize>) {
        self.state().fuse = operations;
    }

    /// Everything open is dead from here on; the disk is as a crash leaves it.
    pub fn crash(&self, end: End, rng: &mut Rng) {
        let mut state = self.state();
        state.boot += 1;
        state.locked = false;
        (state.fuse, state.room) = (None, None);
        (state.fail_next_sync, state.fail_next_write) = (false, false);
        if end == End::Killed {
            return;
        }
        for inode in &mut state.inodes {
            inode.lose_power(rng);
        }
        let all: BTreeSet<PathBuf> =
            state.names.keys().chain(state.synced_names.keys()).cloned().collect();
        for name in all {
            let from = if rng.chance(2) { &state.names } else { &state.synced_names };
            match from.get(&name).copied() {
                Some(inode) => state.names.insert(name, inode),
                None => state.names.remove(&name),
            };
        }
        state.synced_names = state.names.clone();
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    pub fn contents(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.names[path]].cache.clone()
    }

    /// As if those bytes had been on disk all the time.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let inode = Inode { cache: bytes.to_vec(), disk: bytes.to_vec(), dirty: BTreeSet::new() };
        state.inodes.push(inode);
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        state.synced_names.insert(path.to_owned(), inode);
    }

    pub fn delete(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path).expect("the file is there");
        state.synced_names.remove(path);
    }

    /// Another disk, with what a power loss would leave of this one at the least.
    pub fn synced(&self) -> Self {
        let synced = Self::default();
        let state = self.state();
        for (path, inode) in &state.synced_names {
            synced.put(path, &state.inodes[*inode].disk);
        }
        synced
    }

    /// Another disk with the same files.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        for path in self.paths() {
            copy.put(&path, &self.contents(&path));
        }
        copy
    }
}

impl State {
    fn burn(&mut self, boot: u64) -> io::Result<()> {
        if boot != self.boot {
            return Err(io::Error::other("a handle from before the crash"));
        }
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("the disk is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn sync_fault(&mut self) -> bool {
        std::mem::take(&mut self.fail_next_sync)
    }
}

impl Inode {
    fn write(&mut self, bytes: &[u8], at: usize) {
        if self.cache.len() < at + bytes.len() {
            self.cache.resize(at + bytes.len(), 0);
        }
        self.cache[at..at + bytes.len()].copy_from_slice(bytes);
        self.dirty.extend(at / PAGE..(at + bytes.len()).div_ceil(PAGE));
    }

    fn sync(&mut self) {
        self.disk.resize(self.cache.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            self.persist(page);
        }
    }

    fn persist(&mut self, page: usize) {
        let end = (page * PAGE + PAGE).min(self.disk.len()).min(self.cache.len());
        let start = (page * PAGE).min(end);
        self.disk[start..end].copy_from_slice(&self.cache[start..end]);
    }

    fn lose_power(&mut self, rng: &mut Rng) {
        let (short, long) =
            (self.cache.len().min(self.disk.len()), self.cache.len().max(self.disk.len()));
        let length = match rng.below(3) {
            0 => self.disk.len(),
            1 => self.cache.len(),
            _ => short + rng.below(long - short + 1),
        };
        self.disk.resize(length, 0);
        for page in std::mem::take(&mut self.dirty) {
            if rng.chance(2) {
                self.persist(page);
            }
        }
        self.cache = self.disk.clone();
    }
}

struct Handle {
    disk: FaultyDisk,
    inode: usize,
    boot: u64,
}

impl File for Handle {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.burn(self.boot)?;
        let bytes = state.inodes[self.inode].cache.get(offset as usize..).unwrap_or_default();
        let read = bytes.len().min(into.len());
        into[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.burn(self.boot)?;
        let at = offset as usize;
        let growth = (at + bytes.len()).saturating_sub(state.inodes[self.inode].cache.len());
        let room = state.room.unwrap_or(usize::MAX);
        if std::mem::take(&mut state.fail_next_write) {
            state.inodes[self.inode].write(&bytes[..bytes.len() / 2], at);
            return Err(io::Error::other("a bad sector"));
        }
        if growth > room {
            state.inodes[self.inode].write(&bytes[..bytes.len() - growth + room], at);
            state.room = Some(0);
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.inodes[self.inode].write(bytes, at);
        state.room = state.room.map(|room| room - growth);
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.burn(self.boot)?;
        let inode = &mut state.inodes[self.inode];
        let freed = inode.cache.len().saturating_sub(bytes as usize);
        inode.cache.resize(bytes as usize, 0);
        inode.dirty.insert(bytes as usize / PAGE);
        state.room = state.room.map(|room| room + freed);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.burn(self.boot)?;
        Ok(state.inodes[self.inode].cache.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.burn(self.boot)?;
        if state.sync_fault() {
            // As Linux does: the pages count as clean although they never reached the disk.
            state.inodes[self.inode].dirty.clear();
            return Err(io::Error::other("the disk did not take it"));
        }
        state.inodes[self.inode].sync();
        Ok(())
    }
}

struct Unlock(FaultyDisk, u64);

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.boot == self.1 {
            state.locked = false;
        }
    }
}

impl Files for FaultyDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        if state.sync_fault() {
            return Err(io::Error::other("the disk did not take the names"));
        }
        state.synced_names = state.names.clone();
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Lock>> {
        let mut state = self.state();
        let boot = state.boot;
        state.burn(boot)?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(Unlock(self.clone(), boot))))
    }
}

/// Splitmix64: the same everywhere for the same seed.
pub struct Rng(u64);

impl Rng {
    /// A generator that repeats itself for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `one_in` times.
    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
