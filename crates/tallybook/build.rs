//! Compiles `src/malloc.c`, which tells the C library how much freed memory to keep.

fn main() {
    println!("cargo:rerun-if-changed=src/malloc.c");
    let is_glibc = std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu");
    if is_glibc {
        cc::Build::new()
            .file("src/malloc.c")
            // Nothing calls it: without this the linker would leave it out.
            .link_lib_modifier("+whole-archive")
            .compile("tallybook_malloc");
    }
}
