//! A PostgreSQL of one's own for tests: in a temporary folder, on a Unix socket, gone on drop.
//!
//! The server comes from Debian's packages; `.ci/postgres` installs it. Where it is missing the
//! tests of PostgreSQL are left out and say so, unless `CI_POSTGRES=required` is set.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::url::CatalogUrl;

const USER: &str = "kalshi";
/// Two cores may be shared with a compiler.
const READY_TRIES: u32 = 1_200;
const READY_EVERY: Duration = Duration::from_millis(100);

/// A running server.
pub struct Postgres {
    server: Child,
    programs: PathBuf,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts one; `None`, said on stderr, where there are no programs for it.
    ///
    /// # Panics
    /// When it cannot be started, or is missing though `CI_POSTGRES=required`.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let told =
                "PostgreSQL is not installed: its tests are left out. `.ci/postgres` brings it";
            let required = std::env::var_os("CI_POSTGRES").is_some_and(|value| value == "required");
            assert!(!required, "{told}");
            eprintln!("{told}");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg-").tempdir().expect("a folder");
        let user = server_user();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("we are root");
        }
        let data = folder.path().join("data");
        let made = as_user(&programs.join("initdb"), user, folder.path())
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", USER, "-D"])
            .arg(&data)
            .output()
            .expect("initdb can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let server = as_user(&programs.join("postgres"), user, folder.path())
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres can be started");
        let mut postgres = Self { server, programs, folder };
        postgres.wait();
        Some(postgres)
    }

    /// Makes a database.
    ///
    /// # Panics
    /// When it cannot.
    pub fn database(&self, name: &str) -> CatalogUrl {
        let made = Command::new(self.programs.join("createdb"))
            .args(["-U", USER, name, "-h"])
            .arg(self.folder.path())
            .output()
            .expect("createdb can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.url(name).parse().expect("a good address")
    }

    /// The address of a database, as typed in `CATALOG_URL`.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}/{database}")
    }

    fn wait(&mut self) {
        for _ in 0..READY_TRIES {
            let asked = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h"])
                .arg(self.folder.path())
                .status()
                .expect("pg_isready can be started");
            if asked.success() {
                return;
            }
            if let Ok(Some(status)) = self.server.try_wait() {
                panic!("postgres ended ({status}): {}", self.log());
            }
            std::thread::sleep(READY_EVERY);
        }
        panic!("postgres is not ready: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own quick end: kill -9 would leave its shared memory behind.
        let asked = Command::new("kill").arg("-QUIT").arg(self.server.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            self.server.kill().unwrap_or_default();
        }
        self.server.wait().map(drop).unwrap_or_default();
    }
}

/// Where Debian keeps the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(version)?;
    Some(newest.join("bin")).filter(|bin| bin.join("initdb").exists())
}

/// The server refuses root; `None`: we are not root.
fn server_user() -> Option<(u32, u32)> {
    let me = Command::new("id").arg("-u").output().expect("id can be started");
    if me.stdout != b"0\n" {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("readable");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse::<u32>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("one of them exists"))
}

/// Where only root may write to /dev/null, initdb's shell fails: there the server gets a null device
/// of its own, in a mount namespace that ends with it.
const OWN_NULL: &str = r#"[ -e "$1/null" ] || mknod -m 666 "$1/null" c 1 3
mount --bind "$1/null" /dev/null || exit 1
uid=$2 gid=$3
shift 3
exec setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@""#;

fn as_user(program: &Path, user: Option<(u32, u32)>, dir: &Path) -> Command {
    let Some((uid, gid)) = user else {
        let mut command = Command::new(program);
        command.current_dir(dir);
        return command;
    };
    let null = fs::metadata("/dev/null").expect("there is a null device");
    let mut command = if null.permissions().mode() & 0o006 == 0o006 {
        let mut command = Command::new(program);
        command.uid(uid).gid(gid);
        command
    } else {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", OWN_NULL, "sh"]).arg(dir);
        command.args([uid.to_string(), gid.to_string()]).arg(program);
        command
    };
    command.current_dir(dir);
    command
}
