//! The files an engine reads when it starts: few threads, small caches, who may log in.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{error::StartError, options::Options};

/// With a password the engine's own session still needs `default` without one (it logs in so, from
/// the loopback): `default` may then do nothing but open the port, and this user is the one to use.
pub(crate) const USER_WITH_PASSWORD: &str = "kalshi";
/// Without a password.
pub(crate) const USER_DEFAULT: &str = "default";

const CONFIG_FILE: &str = "config.xml";
const USERS_FILE: &str = "users.xml";

/// Clients of one machine; a runaway one must not take every thread.
const CONNECTIONS_MAX: u32 = 256;

/// Writes what is needed into the folder; returns the path of the main file.
pub(crate) fn write(data: &Path, options: &Options, port: u16) -> Result<PathBuf, StartError> {
    let config = data.join(CONFIG_FILE);
    write_private(&config, &main_file(data, options, port))?;
    write_private(&data.join(USERS_FILE), &users_file(options))?;
    let system = data.join("metadata").join("system.sql");
    if !system.exists() {
        let folder = data.join("metadata");
        fs::create_dir_all(&folder).map_err(StartError::files("create", folder))?;
        // Without it the system database lives in memory and its logs are lost at the next start.
        let uuid = Uuid::new_v4();
        write_private(&system, &format!("ATTACH DATABASE _ UUID '{uuid}'\nENGINE = Atomic\n"))?;
    }
    Ok(config)
}

/// For the owner's eyes only: one of them holds a password's hash.
fn write_private(path: &Path, text: &str) -> Result<(), StartError> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(StartError::files("create", path))?;
    file.write_all(text.as_bytes()).map_err(StartError::files("write", path))
}

fn main_file(data: &Path, options: &Options, port: u16) -> String {
    let folder = escaped(&data.to_string_lossy());
    let settings: String = settings(options.memory(), port)
        .iter()
        .map(|(name, value)| format!("  <{name}>{value}</{name}>\n"))
        .collect();
    let pool_of_one: String = ["lower_max_size_of_merge", "execute_mutation"]
        .iter()
        .chain(&["execute_optimize_entire_partition"])
        .map(|what| format!("number_of_free_entries_in_pool_to_{what}"))
        .map(|name| format!("    <{name}>1</{name}>\n"))
        .collect();
    format!(
        "<clickhouse>\n{settings}  <listen_host>{host}</listen_host>\n  \
         <path>{folder}</path>\n  <users_config>{folder}/{USERS_FILE}</users_config>\n  \
         <logger><level>warning</level><console>1</console></logger>\n  \
         <backups><allowed_path>{folder}/backups/</allowed_path></backups>\n  \
         <merge_tree>\n{pool_of_one}  </merge_tree>\n  \
         <query_log><database>system</database><table>query_log</table>\
         <partition_by>event_date</partition_by><ttl>event_date + INTERVAL 2 DAY</ttl>\
         <flush_interval_milliseconds>5000</flush_interval_milliseconds></query_log>\n\
         </clickhouse>\n",
        host = options.host,
    )
}

/// Four engines run beside four programs on two cores: one merge at a time, no idle threads.
fn settings(memory_bytes: u64, port: u16) -> Vec<(&'static str, String)> {
    let memory = |share: u64| (memory_bytes / share).to_string();
    vec![
        ("log-level", "warning".to_owned()),
        ("http_port", port.to_string()),
        ("max_server_memory_usage", memory_bytes.to_string()),
        // The group's limit is the whole machine's here, and asking for it every 50 ms costs CPU.
        ("memory_worker_use_cgroup", "0".to_owned()),
        ("memory_worker_period_ms", "1000".to_owned()),
        ("max_connections", CONNECTIONS_MAX.to_string()),
        // Leaving waits for idle connections; the official client gives them up after 2 s itself.
        ("keep_alive_timeout", "3".to_owned()),
        ("max_thread_pool_size", "64".to_owned()),
        ("max_thread_pool_free_size", "8".to_owned()),
        ("background_pool_size", "1".to_owned()),
        ("background_merges_mutations_concurrency_ratio", "2".to_owned()),
        ("background_schedule_pool_size", "4".to_owned()),
        ("background_common_pool_size", "2".to_owned()),
        ("background_move_pool_size", "1".to_owned()),
        ("background_fetches_pool_size", "1".to_owned()),
        ("background_buffer_flush_schedule_pool_size", "1".to_owned()),
        ("background_message_broker_schedule_pool_size", "1".to_owned()),
        ("background_distributed_schedule_pool_size", "1".to_owned()),
        ("tables_loader_foreground_pool_size", "1".to_owned()),
        ("tables_loader_background_pool_size", "1".to_owned()),
        ("mark_cache_size", memory(32)),
        ("primary_index_cache_size", memory(32)),
        ("uncompressed_cache_size", "0".to_owned()),
        ("mmap_cache_size", "16".to_owned()),
        ("compiled_expression_cache_size", memory(128)),
    ]
}

fn users_file(options: &Options) -> String {
    let limit = options
        .query_memory_bytes
        .map(|bytes| format!("<max_memory_usage>{bytes}</max_memory_usage>"));
    let profile = limit.unwrap_or_default();
    let common = "<profile>default</profile><quota>default</quota>";
    let users = match options.password.as_deref() {
        None => format!(
            "<{USER_DEFAULT}><password></password><networks><host>localhost</host></networks>\
             {common}</{USER_DEFAULT}>"
        ),
        Some(password) => format!(
            "<{USER_DEFAULT}><password></password><networks><host>localhost</host></networks>\
             {common}<grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants></{USER_DEFAULT}>\n    \
             <{USER_WITH_PASSWORD}><password_sha256_hex>{hash}</password_sha256_hex>\
             <networks><ip>::/0</ip></networks>{common}</{USER_WITH_PASSWORD}>",
            hash = sha256_hex(password),
        ),
    };
    format!(
        "<clickhouse>\n  <profiles><default>{profile}</default></profiles>\n  <users>\n    {users}\n  </users>\n  \
         <quotas><default/></quotas>\n</clickhouse>\n"
    )
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_written_as_a_hash_only() {
        let secured = Options { password: Some("swordfish".to_owned()), ..Options::default() };
        let users = users_file(&secured);
        assert!(!users.contains("swordfish"), "{users}");
        assert!(users.contains(&sha256_hex("swordfish")), "{users}");
        assert!(users.contains("GRANT SYSTEM LISTEN"), "default keeps no other right: {users}");
        let open = users_file(&Options::default());
        assert!(!open.contains("GRANT"), "default may do everything without one");
    }

    #[test]
    fn a_folder_with_special_characters_stays_one_value() {
        let text = main_file(Path::new("/tmp/a&b<c"), &Options::default(), 0);
        assert!(text.contains("<path>/tmp/a&amp;b&lt;c</path>"), "{text}");
    }
}
