//! Generates the message types from `proto-schemas/`, without `protoc` on the machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto-schemas");
    let folder = root.join("livewall/v1");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut protos = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            protos.push(path);
        }
    }
    protos.sort();
    let descriptors = protox::compile(&protos, [&root])?;
    // Both generators are told to use our Timestamp: proto3 JSON allows 0, 3, 6 or 9 digits, we always write 3.
    let timestamp = (".google.protobuf.Timestamp", "crate::Timestamp");
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors.encode_to_vec())?
        .extern_path(timestamp.0, timestamp.1)
        .btree_map(["."])
        .emit_fields()
        .ignore_unknown_fields()
        .build(&[".livewall"])?;
    prost_build::Config::new().extern_path(timestamp.0, timestamp.1).btree_map(["."]).compile_fds(descriptors)?;
    Ok(())
}
