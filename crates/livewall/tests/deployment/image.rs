//! The image has no more libraries than a C++ program needs (gcr.io/distroless/cc-debian12).

#[cfg(target_os = "linux")]
#[test]
fn the_binary_needs_no_library_that_its_image_does_not_have() {
    /// libc6, libgcc-s1 and libstdc++6, and what the kernel and the loader bring.
    const PRESENT: [&str; 8] = [
        "linux-vdso.so.1",
        "ld-linux",
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "libgcc_s.so.1",
        "libstdc++.so.6",
    ];
    // It holds all four services, and so everything that they link to.
    let output = std::process::Command::new("ldd").arg(env!("CARGO_BIN_EXE_livewall")).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains("libc.so.6"), "{listed}");
    for line in listed.lines() {
        let library = line.split_whitespace().next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        assert!(PRESENT.iter().any(|present| library.starts_with(present)), "{library} is needed: {listed}");
    }
}
