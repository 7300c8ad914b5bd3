//! A new migration file must be seen by `sqlx::migrate!`.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
