//! Lists the files of `page/`, so that a new one is served without another place to name it.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("page");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().into_string().map_err(|name| format!("{}: not UTF-8", name.display()))?);
        }
    }
    names.sort();
    let mut list =
        String::from("/// Name and content of each file of the page.\nstatic PAGE_FILES: &[(&str, &[u8])] = &[\n");
    for name in names {
        writeln!(list, "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/page/{name}\"))),")?;
    }
    list.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("page_files.rs"), list)?;
    Ok(())
}
