//! How fast the log is, beside a plain file written and synced at the same rate in the same run.
//!
//! `cargo bench -p spool --bench append [-- RECORDS [DIR]]`: the folder must be on the disk that
//! counts, not in memory.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use spool::{Options, Spool, Upto};

const RECORD_BYTES: usize = 232;
const COMMIT_EVERY: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench` to what a benchmark is given.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records: u64 = args.next().map_or(Ok(4_000_000), |text| text.parse())?;
    let parent = args.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::tempdir_in(parent)?;
    let out = &mut io::stdout();
    writeln!(out, "{records} records of {RECORD_BYTES} bytes, an fsync every {COMMIT_EVERY:?}")?;
    for _ in 0..3 {
        yardstick(records, &dir.path().join("plain"), out)?;
        append(records, &dir.path().join("log"), out)?;
        reopen_and_read(records, &dir.path().join("log"), out)?;
        fs::remove_dir_all(dir.path().join("log"))?;
    }
    commits(&dir.path().join("commits"), out)?;
    Ok(())
}

fn payload(number: u64, into: &mut [u8; RECORD_BYTES]) {
    into[..8].copy_from_slice(&number.to_le_bytes());
}

/// A `BufWriter`, and a thread that syncs: what the log costs above this is its own.
fn yardstick(records: u64, path: &Path, out: &mut dyn Write) -> io::Result<()> {
    let file = File::create(path)?;
    let synced = file.try_clone()?;
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let (begun, cpu) = (now(), cpu_time());
    let thread = std::thread::spawn(move || -> io::Result<()> {
        while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
            stopped.recv_timeout(COMMIT_EVERY)
        {
            synced.sync_data()?;
        }
        Ok(())
    });
    let mut writer = BufWriter::with_capacity(256 * 1024, file);
    let mut record = [7; RECORD_BYTES];
    for number in 0..records {
        payload(number, &mut record);
        writer.write_all(&[0; 8])?;
        writer.write_all(&record)?;
    }
    writer.flush()?;
    drop(stop);
    thread.join().expect("the syncing thread does not panic")?;
    writer.get_ref().sync_data()?;
    report(out, "plain file", records, begun.elapsed(), cpu_time() - cpu)?;
    fs::remove_file(path)
}

fn append(records: u64, dir: &Path, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options { commit_every: COMMIT_EVERY, ..Options::default() };
    let (mut writer, _log, _) = Spool::open(dir, options)?;
    let (begun, cpu) = (now(), cpu_time());
    let mut record = [7; RECORD_BYTES];
    for number in 0..records {
        payload(number, &mut record);
        writer.append(&record)?;
    }
    writer.commit()?;
    report(out, "append", records, begun.elapsed(), cpu_time() - cpu)?;
    Ok(())
}

fn reopen_and_read(
    records: u64,
    dir: &Path,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let begun = now();
    let (_writer, log, _) = Spool::open(dir, Options::default())?;
    writeln!(out, "  reopen      {:9.1} ms", begun.elapsed().as_secs_f64() * 1e3)?;
    let (begun, cpu) = (now(), cpu_time());
    let mut reader = log.read_from(log.oldest())?;
    let mut count = 0;
    while let Some(record) = reader.next(Upto::Durable)? {
        assert_eq!(record.payload[..8], u64::to_le_bytes(count), "records come in order");
        count += 1;
    }
    assert_eq!(count, records);
    report(out, "read", records, begun.elapsed(), cpu_time() - cpu)?;
    Ok(())
}

/// One record and its fsync, many times: what waiting for durability costs.
fn commits(dir: &Path, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    let plain = File::create(dir.with_extension("plain"))?;
    let mut synced = Vec::new();
    for _ in 0..500 {
        let begun = now();
        (&plain).write_all(&[7; RECORD_BYTES])?;
        plain.sync_data()?;
        synced.push(begun.elapsed());
    }
    let (mut writer, _log, _) = Spool::open(dir, Options::default())?;
    let mut committed = Vec::new();
    for _ in 0..500 {
        let begun = now();
        writer.append(&[7; RECORD_BYTES])?;
        writer.commit()?;
        committed.push(begun.elapsed());
    }
    for (name, mut took) in [("plain write and sync", synced), ("append and commit", committed)] {
        took.sort();
        writeln!(out, "  {name:20} p50 {:?} p99 {:?}", took[250], took[495])?;
    }
    Ok(())
}

fn report(
    out: &mut dyn Write,
    name: &str,
    records: u64,
    took: Duration,
    cpu: Duration,
) -> io::Result<()> {
    let rate = records as f64 / took.as_secs_f64() / 1e6;
    let each = cpu.as_secs_f64() * 1e6 / records as f64;
    writeln!(out, "  {name:11} {rate:9.2} M records/s, {each:.3} us CPU each")
}

/// User and system time of this process, in the ticks of 10 ms that Linux counts.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
