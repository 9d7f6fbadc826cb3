//! Tells the linker what memory the board has, and what the log is made of.

fn main() {
    linker::link(
        include_bytes!("memory.x"),
        &["-Tlink.x", "-Tdefmt.x", "--nmagic"],
    );
}
