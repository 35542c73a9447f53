//! Compiles `src/malloc.c`, which tells the C library how much freed memory to keep.

fn main() {
    println!("cargo:rerun-if-changed=src/malloc.c");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}"));
    let is_glibc = target("OS").as_deref() == Ok("linux") && target("ENV").as_deref() == Ok("gnu");
    if is_glibc {
        cc::Build::new()
            .file("src/malloc.c")
            // Nothing calls it: without this the linker would leave it out.
            .link_lib_modifier("+whole-archive")
            .compile("tallybook_malloc");
    }
}
